import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { cutsOf, jsonObject, MEMBER_NAMES, nearlyJson, SEED } from './arbitraries.js';
import { BUILDS, type Core, freshScanner, loadCore, put } from './load.js';
import { type Member, membersOf } from './reference/members.js';

const MORE = 0;
const CLOSED = 1;
const ODD = 2;
const DEPTH_MAX = 512;
const AT_SPANS = 16;
const runs = { seed: SEED, numRuns: 500 };

describe.each(BUILDS)('%s', (build) => {
  let core: Core;
  beforeAll(() => {
    core = loadCore(build);
  });

  /** Scans prefix by prefix, each at a new address; the whole record and the last status. */
  function scan(bytes: Uint8Array, cuts: readonly number[] = []): { status: number; record: string; spans: [number, number][] } {
    const scanner = freshScanner(core);
    let status = MORE;
    for (const length of [...cuts, bytes.length]) status = core.scanner_scan(scanner, put(core, bytes.subarray(0, length)), length);
    const record = Buffer.from(new Uint8Array(core.memory.buffer, scanner, core.scanner_bytes()));
    const spans = MEMBER_NAMES.map((_, i): [number, number] => [
      record.readUInt32LE(AT_SPANS + i * 8),
      record.readUInt32LE(AT_SPANS + i * 8 + 4),
    ]);
    return { status, record: record.toString('hex'), spans };
  }

  function expectedSpans(members: readonly Member[]): [number, number][] {
    return MEMBER_NAMES.map((name) => {
      const last = members.findLast((member) => member.key === name);
      return last ? [last.start, last.end] : [0, 0];
    });
  }

  const document = fc.tuple(jsonObject, fc.constantFrom('', '', '\n', '}', '{"model":"other"}', 'garbage"')).map(([json, rest]) => ({
    json,
    bytes: Buffer.from(json + rest),
  }));

  test('spans of a valid object are those of its last duplicates, whatever follows it', () => {
    fc.assert(
      fc.property(document, ({ json, bytes }) => {
        JSON.parse(json);
        const members = membersOf(Buffer.from(json).toString('latin1'))!;
        const { status, spans } = scan(bytes);
        if (members.some(({ rawKey }) => rawKey.includes('\\'))) expect(status).toBe(ODD);
        else {
          expect(status).toBe(CLOSED);
          expect(spans).toEqual(expectedSpans(members));
        }
      }),
      runs,
    );
  });

  test('chunks of any size leave the same record', () => {
    const split = document.chain(({ bytes }) => fc.tuple(fc.constant(bytes), cutsOf(bytes.length)));
    fc.assert(
      fc.property(split, ([bytes, cuts]) => {
        expect(scan(bytes, cuts)).toEqual(scan(bytes));
      }),
      runs,
    );
  });

  test('broken, truncated and hostile text: same record for any split, never a trap', () => {
    const hostile = fc.oneof(
      nearlyJson,
      nearlyJson.map((text) => `{"model":"m","messages":[${text}`),
      fc.tuple(jsonObject, fc.nat(200)).map(([json, length]) => json.slice(0, length)),
    );
    const split = hostile.map((text) => Buffer.from(text)).chain((bytes) => fc.tuple(fc.constant(bytes), cutsOf(bytes.length)));
    fc.assert(
      fc.property(split, ([bytes, cuts]) => {
        expect(scan(bytes, cuts)).toEqual(scan(bytes));
      }),
      runs,
    );
  });

  test('a truncated object is never taken for a closed one', () => {
    fc.assert(
      fc.property(jsonObject, (json) => {
        const bytes = Buffer.from(json);
        const whole = scan(bytes).status;
        for (let length = 0; length < bytes.length; length += 1 + (length >> 4)) {
          const { status } = scan(bytes.subarray(0, length));
          expect(status === MORE || (status === ODD && whole === ODD)).toBe(true);
        }
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  test('every single cut and byte by byte: strings, escapes and members that end at a chunk', () => {
    const bytes = Buffer.from(
      '\n{"messages" : [{"a":"\\\\","b":"\\"]"},[[]],"\\u00e9é"] ,"model":"m\\"\\\\","prompt":null,"tools":-1.5e3,"model":"漢\\ud83d\\ude00"} x',
    );
    const whole = scan(bytes);
    expect(whole.status).toBe(CLOSED);
    expect(bytes.subarray(...whole.spans[0]!).toString()).toBe('"漢\\ud83d\\ude00"');
    for (let cut = 0; cut <= bytes.length; cut++) expect(scan(bytes, [cut])).toEqual(whole);
    expect(scan(bytes, [...bytes.keys()])).toEqual(whole);
  });

  test('quotes and backslashes at every distance from a SIMD step', () => {
    for (let length = 0; length < 70; length++) {
      for (const tail of ['', '\\"', '\\\\', 'é\\n']) {
        const literal = `"${'x'.repeat(length)}${tail}"`;
        const bytes = Buffer.from(`{"prompt":${literal}}`);
        const { status, spans } = scan(bytes);
        expect(status).toBe(CLOSED);
        expect(bytes.subarray(...spans[2]!).toString()).toBe(literal);
      }
    }
  });

  test('nesting up to 512 is followed, one more is not, a million costs nothing', () => {
    const nested = (depth: number): Buffer => Buffer.from(`{"prompt":${'['.repeat(depth)}${']'.repeat(depth)}}`);
    expect(scan(nested(DEPTH_MAX)).status).toBe(CLOSED);
    expect(scan(nested(DEPTH_MAX + 1)).status).toBe(ODD);
    expect(scan(nested(DEPTH_MAX + 1), [DEPTH_MAX + 10, DEPTH_MAX + 11])).toEqual(scan(nested(DEPTH_MAX + 1)));
    expect(scan(Buffer.from(`{"prompt":${'[{"a":'.repeat(1 << 20)}`)).status).toBe(ODD);
  });

  test.each([
    ['', MORE],
    [' \n', MORE],
    ['[]', ODD],
    ['"model"', ODD],
    ['{]', ODD],
    ['{"model"]', ODD],
    ['{"model":}', ODD],
    ['{"model":,', ODD],
    ['{"model":"a" "b"', ODD],
    ['{"model":"a",}', ODD],
    ['{,', ODD],
    ['{"\\u006dodel":"a"}', ODD],
    ['{}', CLOSED],
    ['{}\u0000{', CLOSED],
  ])('%j → %i', (text, status) => expect(scan(Buffer.from(text)).status).toBe(status));

  test('a huge key and a huge value', () => {
    const huge = 'k'.repeat(1 << 20);
    const bytes = Buffer.from(`{"${huge}":1,"model":"${huge}"}`);
    const { status, spans } = scan(bytes, [1 << 19, (1 << 20) + 1]);
    expect(status).toBe(CLOSED);
    expect(spans[0]).toEqual([huge.length + 14, bytes.length - 1]);
  });
});
