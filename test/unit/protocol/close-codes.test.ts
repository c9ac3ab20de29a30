/** Close codes: what the code sends and what docs/PROTOCOL.md tells users are the same. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CLOSE } from '../../../protocol/close-codes.ts';
import { filesUnder } from '../../support/source-tree.ts';

const documented = readFileSync('docs/PROTOCOL.md', 'utf8').matchAll(/^\| (4\d{3}) \|/gm);

describe('close codes', () => {
  it('are those of the table for users', () => {
    const sent = Object.values(CLOSE).map(({ code }) => String(code));
    expect([...documented].map(([, code]) => code)).toEqual(sent);
  });

  it('are all sent by something', () => {
    const text = filesUnder(['actors', 'transport'], '.ts')
      .map((file) => file.text)
      .join('\n');
    for (const name of Object.keys(CLOSE)) expect(text, name).toContain(`CLOSE.${name}`);
  });
});
