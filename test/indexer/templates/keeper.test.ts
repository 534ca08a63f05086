import { afterEach, expect, test } from 'vitest';
import { KvaneError } from '../../../indexer/errors.js';
import { ProgramKeeper } from '../../../indexer/templates/keeper.js';
import type { RenderProgram } from '../../../indexer/templates/program.js';
import type { Renderer } from '../../../indexer/templates/renderer.js';
import { localRenderer } from '../local-renderer.js';
import { eventually } from '../poller.js';

const running: ProgramKeeper[] = [];
afterEach(() => {
  for (const one of running.splice(0)) one.stop();
});

const chatml = (tag: string): Renderer =>
  localRenderer(`{% for m in messages %}{{ '<${tag}' + m.role + '>' + m.content }}{% endfor %}<${tag}assistant>`);
const failing = (error: unknown): Renderer => ({ render: () => Promise.reject(error) });

function keeper(renderers: () => Renderer[]) {
  const programs: RenderProgram[] = [];
  const one = new ProgramKeeper({
    nfc: true,
    completionPrefix: new Uint8Array(),
    verifications: 10,
    renderers,
    changed: (program) => void programs.push(program),
    rendered: () => {},
  });
  running.push(one);
  one.start();
  return { one, programs };
}

test('completions at once, chats as soon as an engine renders', async () => {
  const list: Renderer[] = [];
  const { one, programs } = keeper(() => list);
  expect(programs).toMatchObject([{ chat: false }]);
  one.wake();
  await eventually(() => one.reason === 'no engine answers', 'nobody there');
  expect(one.settled).toBe(false);
  list.push(chatml('a'));
  one.wake();
  await eventually(() => one.state === 'learned', 'learned');
  expect(programs.at(-1)).toMatchObject({ chat: true });
});

test('an engine without /render is passed over; the reason stays until one has it', async () => {
  const disabled = failing(new KvaneError('render.disabled', 'start it with --enable-scale-out'));
  const list = [disabled];
  const { one } = keeper(() => list);
  one.wake();
  await eventually(() => one.settled, 'settled');
  expect(one).toMatchObject({ state: 'waiting', reason: 'start it with --enable-scale-out' });
  list.push(chatml('a'));
  await eventually(() => one.state === 'learned', 'learned by the retry');
  expect(one.reason).toBeUndefined();
});

test('the template changed: learned again', async () => {
  let renderer = chatml('a');
  const { one, programs } = keeper(() => [renderer]);
  one.wake();
  await eventually(() => one.state === 'learned', 'learned');
  one.wake();
  renderer = chatml('b');
  one.wake();
  await eventually(() => programs.length === 3, 'learned again');
  expect(Buffer.from(programs[2]!.entries[0]!.literal).toString()).toMatch(/^<b/);
});

test('engines that fail later do not take a learned program away', async () => {
  let list: Renderer[] = [chatml('a')];
  const { one, programs } = keeper(() => list);
  one.wake();
  await eventually(() => one.state === 'learned', 'learned');
  let asked = 0;
  list = [{ render: () => Promise.reject(new Error(`gone ${++asked}`)) }];
  one.wake();
  await eventually(() => asked > 0, 'asked');
  one.wake();
  await eventually(() => asked > 4, 'asked again: the first attempt is over');
  expect(one.state).toBe('learned');
  expect(programs).toHaveLength(2);
});

test('refused: says why, serves completions', async () => {
  const upper = localRenderer(`{% for m in messages %}{{ m.content | upper }}{% endfor %}`);
  const { one, programs } = keeper(() => [upper]);
  one.wake();
  await eventually(() => one.state === 'refused', 'refused');
  expect(one.reason).toBeDefined();
  expect(programs.at(-1)).toMatchObject({ chat: false });
});
