/** The HTTP API as tests call it: one function, the answer as it came. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown> & { readonly ok: boolean; readonly error?: string };
}

/** POSTs `args` as a form (values that are no strings as JSON) and parses the answer. */
export async function callApi(
  api: string,
  method: string,
  token: string | undefined,
  args: Record<string, unknown> = {},
): Promise<ApiAnswer> {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(args)) {
    form.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${api}${method}`, { method: 'POST', headers, body: form });
  return { status: response.status, headers: response.headers, body: (await response.json()) as ApiAnswer['body'] };
}

/** As callApi, for calls that have to succeed. */
export async function api(
  base: string,
  method: string,
  token: string,
  args: Record<string, unknown> = {},
): Promise<ApiAnswer['body']> {
  const { body, status } = await callApi(base, method, token, args);
  if (!body.ok) throw new Error(`${method}: ${status} ${body.error ?? ''}`);
  return body;
}
