/** What others wrote, made safe to print: one line, without the control characters that move a terminal's cursor. */
// oxlint-disable-next-line no-control-regex -- these are the characters that must not reach the terminal
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

export function printable(text: string): string {
  return text.replaceAll('\n', '\\n').replaceAll(control, '\ufffd');
}

/** A message's time stamp (`seconds.micros`) as local time of day. */
export function timeOfDay(ts: string): string {
  const at = new Date(Number(ts.split('.')[0]) * 1_000);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}
