import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ApiHeaders, ApiRequest } from '../../../protocol/http.ts';
import { deeperThan, parseRequest, type RequestOutcome } from '../../../webapp/api-request.ts';
import { makeWorld } from '../../support/webapp-world.ts';

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';

async function parse(body: string | Buffer, contentType?: string, rest: Partial<ApiRequest> = {}) {
  const headers: ApiHeaders = contentType === undefined ? {} : { contentType };
  const whole = { path: '/api/x.y', verb: 'POST', query: '', headers, remoteAddress: () => '127.0.0.1' };
  return parseRequest({ ...whole, body: Buffer.from(body), ...rest });
}

async function argsOf(...request: Parameters<typeof parse>): Promise<Record<string, unknown>> {
  const outcome = await parse(...request);
  expect(outcome.kind).toBe('call');
  return { ...(outcome as Extract<RequestOutcome, { kind: 'call' }>).args };
}

async function errorOf(...request: Parameters<typeof parse>): Promise<string> {
  const outcome = await parse(...request);
  return outcome.kind === 'refused' ? outcome.error : outcome.kind;
}

describe('the body of a request', () => {
  it('is a form, JSON or multipart, and all give the same arguments', async () => {
    const wanted = { channel: 'C1', text: 'a & b = ü' };
    const form = new FormData();
    for (const [name, value] of Object.entries(wanted)) form.set(name, value);
    const multipart = new Response(form);
    const type = multipart.headers.get('content-type') ?? '';
    expect(await argsOf(new URLSearchParams(wanted).toString(), FORM)).toEqual(wanted);
    expect(await argsOf(JSON.stringify(wanted), JSON_TYPE)).toEqual(wanted);
    expect(await argsOf(Buffer.from(await multipart.arrayBuffer()), type)).toEqual(wanted);
  });

  it('may name its charset in any spelling that Slack takes', async () => {
    expect(await argsOf('{"text":"ü"}', 'Application/JSON; charset=UTF-8')).toEqual({ text: 'ü' });
    expect(await argsOf(Buffer.from('{"text":"ü"}', 'latin1'), 'application/json;charset="iso-8859-1"')).toEqual({
      text: 'ü',
    });
    expect(await errorOf('{}', 'application/json; charset=utf-16')).toBe('invalid_charset');
  });

  it('may be empty, with and without a content type, by POST and by GET', async () => {
    for (const type of [undefined, FORM, JSON_TYPE]) expect(await argsOf('', type)).toEqual({});
    expect(await argsOf('', FORM, { verb: 'GET', query: 'user=U1' })).toEqual({ user: 'U1' });
  });

  it('wins over the query, and the last of a name given twice counts', async () => {
    expect(await argsOf('a=body', FORM, { query: 'a=query&b=1&b=2' })).toEqual({ a: 'body', b: '2' });
  });

  it.each([
    ['{"a":', JSON_TYPE, 'invalid_json'],
    ['', JSON_TYPE, 'call'],
    ['[1]', JSON_TYPE, 'json_not_object'],
    ['null', JSON_TYPE, 'json_not_object'],
    ['"text"', JSON_TYPE, 'json_not_object'],
    [`{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, JSON_TYPE, 'invalid_json'],
    ['a=%zz', FORM, 'invalid_form_data'],
    ['a=%ff', FORM, 'invalid_form_data'],
    ['a=1', 'text/plain', 'invalid_post_type'],
    ['a=1', undefined, 'missing_post_type'],
    ['--x\r\ngarbage', 'multipart/form-data; boundary=x', 'invalid_form_data'],
    ['a=1', 'multipart/form-data', 'invalid_form_data'],
    [Array.from({ length: 101 }, (_, i) => `a${i}=1`).join('&'), FORM, 'invalid_arguments'],
    [Buffer.alloc(1_048_577, 97), FORM, 'invalid_arguments'],
  ])('%s as %s is %s', async (body, type, error) => {
    expect(await errorOf(body, type)).toBe(error);
  });
});

describe('the path of a request', () => {
  it.each([
    ['/api/api.test', 'api.test'],
    ['/api//api.test', 'api.test'],
    ['/api/api.test/', 'api.test'],
    ['/api/', ''],
    ['/api/constructor', 'constructor'],
  ])('%s names %s', async (path, method) => {
    expect(await parse('', undefined, { path })).toMatchObject({ kind: 'call', method });
  });

  it('is not ours outside /api/', async () => {
    for (const path of ['/', '/apix/api.test', '/metrics']) {
      expect(await parse('', undefined, { path })).toEqual({ kind: 'elsewhere' });
    }
  });
});

describe('the token of a request', () => {
  const tokenOf = async (headers: ApiHeaders, query = '') => {
    const outcome = await parse('', undefined, { headers, query });
    return outcome.kind === 'call' ? outcome.token : outcome.kind;
  };

  it('is in the header, in any case, or in an argument; the header wins', async () => {
    expect(await tokenOf({ authorization: 'Bearer xoxp-1' })).toBe('xoxp-1');
    expect(await tokenOf({ authorization: 'bEARER  xoxp-1 ' })).toBe('xoxp-1');
    expect(await tokenOf({}, 'token=xoxp-2')).toBe('xoxp-2');
    expect(await tokenOf({ authorization: 'Bearer xoxp-1' }, 'token=xoxp-2')).toBe('xoxp-1');
    expect(await tokenOf({ authorization: 'Basic abc' }, 'token=xoxp-2')).toBe('xoxp-2');
    expect(await tokenOf({ authorization: 'Basic abc' })).toBeUndefined();
    expect(await tokenOf({ authorization: 'Bearer ' })).toBeUndefined();
  });
});

describe('whatever arrives', () => {
  const anyRequest = fc.record({
    path: fc.oneof(
      fc.string(),
      fc.string().map((rest) => `/api/${rest}`),
      fc.constant('/api/chat.postMessage'),
    ),
    verb: fc.constantFrom('GET', 'POST', 'PUT', 'OPTIONS', ''),
    query: fc.oneof(fc.string(), fc.webQueryParameters()),
    headers: fc.record(
      {
        authorization: fc.oneof(fc.string(), fc.constant('Bearer xoxp-0000000000')),
        contentType: fc.oneof(
          fc.string(),
          fc.constantFrom(FORM, JSON_TYPE, 'multipart/form-data; boundary=x', `${JSON_TYPE};charset=`),
        ),
      },
      { requiredKeys: [] },
    ) as fc.Arbitrary<ApiHeaders>,
    body: fc
      .oneof(fc.string(), fc.json(), fc.webQueryParameters(), fc.constant('--x\r\n\r\n--x--'))
      .map((text) => Buffer.from(text)),
    remoteAddress: fc.constant(() => '127.0.0.1'),
  });

  it('is answered in an envelope with HTTP 200, or 404 outside /api/', async () => {
    const world = await makeWorld();
    const property = fc.asyncProperty(anyRequest, async (request) => {
      const { status, json } = await world.raw(request);
      expect(typeof json.ok).toBe('boolean');
      expect(json.ok === false ? typeof json.error : 'string').toBe('string');
      expect(json.error).not.toBe('internal_error');
      expect(status).toBe(request.path.startsWith('/api/') ? 200 : 404);
    });
    await fc.assert(property, { numRuns: 400 });
  });

  it('as arguments of every method is answered too, never with internal_error', async () => {
    const world = await makeWorld();
    const { token, id } = await world.user('alice');
    const admin = await world.admin();
    const text = fc.oneof(fc.string(), fc.json(), fc.constantFrom('C0000000001', id, 'true', '7', '1700000000.000100'));
    const anyArgs = fc.dictionary(fc.constantFrom(...ARGUMENTS), text, { maxKeys: 6 });
    const property = fc.asyncProperty(fc.constantFrom(...METHODS), anyArgs, async (method, args) => {
      const { status, json } = await world.call(method, method.startsWith('belfry.') ? admin : token, args);
      expect([200, 503]).toContain(status);
      expect(json.error).not.toBe('internal_error');
    });
    await fc.assert(property, { numRuns: 500 });
  });
});

const ARGUMENTS =
  'channel user users text blocks attachments metadata thread_ts limit cursor oldest latest types name email presence bot node token kind client_msg_id markdown_text'.split(
    ' ',
  );
// What the scripted sender has no model for is left to tests of its own.
const METHODS =
  'api.test auth.test team.info users.list users.info users.lookupByEmail users.setPresence users.setActive bots.info conversations.create conversations.list conversations.info conversations.open users.conversations chat.postMessage rtm.connect belfry.users.create belfry.tokens.create belfry.tokens.revoke belfry.apps.create belfry.cluster.info belfry.cluster.drain'.split(
    ' ',
  );

describe('deeperThan', () => {
  it('counts nesting', () => {
    expect(deeperThan([[1]], 1)).toBe(true);
    expect(deeperThan([[1]], 2)).toBe(false);
    expect(deeperThan('text', 0)).toBe(false);
  });
});
