import { expect, test } from 'vitest';
import { floatRepr, pythonDumps, pythonLoads } from './python-json.js';

test.each([
  ['1.10', '1.1'],
  ['1e5', '100000.0'],
  ['0.1e-6', '1e-07'],
  ['1E400', 'Infinity'],
  ['-0.0', '-0.0'],
  ['-0', '0'],
  ['1e16', '1e+16'],
  ['123456789012345.5', '123456789012345.5'],
  ['0.0001', '0.0001'],
  ['0.00001', '1e-05'],
  ['12345678901234567890123', '12345678901234567890123'],
  ['{"a":1,"b":[],"a":{"c":null}}', '{"a": {"c": null}, "b": []}'],
  ['"\\u00e9\\n\\/"', '"é\\n/"'],
  [' { } ', '{}'],
  ['[NaN,-Infinity,true]', '[NaN, -Infinity, true]'],
])('%s is written again as %s', (text, expected) => {
  expect(pythonDumps(pythonLoads(text))).toBe(expected);
});

test.each(['', '{', '[1,]', '{"a" 1}', '01', '1 2', "{'a':1}", 'nul'])('%j is an error', (text) => {
  expect(() => pythonLoads(text)).toThrow(SyntaxError);
});

test('floats keep Python’s two forms at their borders', () => {
  expect([1e15, 9999999999999998, 1e22, 5e-324].map(floatRepr)).toEqual(['1000000000000000.0', '9999999999999998.0', '1e+22', '5e-324']);
});
