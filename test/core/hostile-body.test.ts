// Bodies that no client should send, decided as a whole and early. A trap would fail every stream of the worker.
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { jsonObject, nearlyJson, SEED } from './arbitraries.js';
import { BUILDS, type Core, decide, loadCore } from './load.js';
import { installSummary, randomProgram } from './programs.js';

const inMessages = nearlyJson.map((text) => `{"messages":[{"role":"user","content":"a"},${text}`);
const inContent = nearlyJson.map((text) => `{"model":"m","messages":[{"role":"user","content":"${text}`);
const inPrompt = nearlyJson.map((text) => `{"prompt":["${text}`);
const wholeMessages = nearlyJson.map((text) => `{"messages":[{"content":"${text}","role":"user"}],"cache_salt":"${text}"}`);
const objectMessages = fc
  .array(jsonObject, { maxLength: 4 })
  .map((list) => `{"messages":[${list.join(',')}],"prompt":[${list.join(',')}]}`);
const text = fc.oneof(nearlyJson, inMessages, inContent, inPrompt, wholeMessages, objectMessages, jsonObject);

/** Bytes, some of them no UTF-8, cut anywhere. */
const body = fc.tuple(text, fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 3 }), fc.nat(400)).map(([json, noise, length]) => {
  const bytes = Buffer.from(json);
  for (const [at, value] of noise) if (at < bytes.length) bytes[at] = value;
  return bytes.subarray(0, length > 200 ? bytes.length : length);
});

describe.each(BUILDS)('%s', (build) => {
  let core: Core;
  beforeAll(() => {
    core = loadCore(build);
  });

  test.each([false, true])('never traps, always has a destination, never credits more than there is (NFC: %s)', (nfc) => {
    installSummary(core, { program: randomProgram(SEED, 100, { nfc }), strideBytes: 8, endpoints: 3 });
    fc.assert(
      fc.property(body, (bytes) => {
        for (const chat of [true, false])
          for (const open of bytes.length ? [false, true] : [false]) {
            const { destinations, keys, promptBytes } = decide(core, bytes, chat, open);
            expect([...destinations].sort()).toEqual([0, 1, 2]);
            expect(keys.length * 8).toBeLessThanOrEqual(promptBytes);
          }
      }),
      { seed: SEED, numRuns: 1500 },
    );
  });

  test('a chat of more messages than are followed, and a content of a megabyte in escapes', () => {
    installSummary(core, { program: randomProgram(SEED, 100), strideBytes: 64 });
    const many = `{"messages":[${Array<string>(20_000).fill('{"role":"user","content":"x"}').join(',')}]}`;
    expect(decide(core, Buffer.from(many), true)).toMatchObject({ reason: 'json', keys: [] });
    const long = `{"prompt":"${'\\u0041\\n'.repeat(1 << 17)}"}`;
    expect(decide(core, Buffer.from(long), false)).toMatchObject({ reason: 'covered' });
  });

  test('a prompt behind the last stride that is followed keeps its credit and does no harm', () => {
    installSummary(core, { strideBytes: 8 });
    const decision = decide(core, Buffer.from(`{"prompt":"${'x'.repeat((1 << 19) + 1000)}"}`), false);
    expect(decision.keys.length).toBe(1 << 16);
    expect(decision.promptBytes).toBe((1 << 19) + 1000);
    expect(decision.reason).toBe('length');
  });

  test.each([
    ['"\\ud800"', 'surrogate'],
    ['"\\x"', 'json'],
    ['17', 'json'],
    ['null', 'covered'],
    ['""', 'covered'],
  ])('cache_salt %s: no plain namespace for a request that is salted', (salt, reason) => {
    installSummary(core, { strideBytes: 8 });
    expect(decide(core, Buffer.from(`{"prompt":"a prompt of a few strides","cache_salt":${salt}}`), false).reason).toBe(reason);
  });

  test('no endpoints, no program, no summary: no destination, no trap', () => {
    core.summary_reset();
    expect(decide(core, Buffer.from('{"prompt":"x"}'), false)).toMatchObject({ destinations: [], reason: 'no_program' });
    installSummary(core, { endpoints: 0 });
    expect(decide(core, Buffer.from('{"prompt":"x"}'), false)).toMatchObject({ destinations: [], reason: 'covered' });
  });
});
