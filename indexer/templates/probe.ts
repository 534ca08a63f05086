// Second step of learning: what the template does to a content, found by rendering contents that tell the functions apart.
import { applyContent, CONTENT_CANDIDATES } from './content.js';
import type { LearnedPlace, TryRender } from './literals.js';

/** `M` is what stays in any case. White space on both sides that Python, JavaScript and "newlines only" strip differently. */
const PROBES: readonly string[] = [
  '\n\n \u001c\u3000\u0085\t M a\n b \u00a0\u2028\u001f \r\n\n',
  '\n M \n',
  '\ufeff\u200bM\u200b\ufeff',
  '',
  ' \n\u3000',
  '<think>\nreason\n</think>\n\n \u0085M \n',
  'one\n</think>\n\n two </think>\n\n\u001c M\n ',
  'all of it</think>',
  '<think>M',
];

/** The content function of a learned place; undefined when none of format.ts fits. */
export async function contentFunction(render: TryRender, learned: LearnedPlace): Promise<number | undefined> {
  let candidates: readonly number[] = CONTENT_CANDIDATES;
  for (const probe of PROBES) {
    const text = await render(
      learned.specimen.messages.map((message, i) => (i === learned.index ? { ...message, content: probe } : message)),
    );
    if (text === undefined) continue;
    const content = contentIn(text, learned);
    candidates = candidates.filter((candidate) => {
      const want = applyContent(candidate, probe);
      return want === undefined || want === content;
    });
    if (candidates.length === 0) return undefined;
  }
  return candidates[0];
}

/** What stands in the place of the content, if all around it is as it was. */
function contentIn(text: string, { specimen, index }: LearnedPlace): string | undefined {
  const { messages, literals, text: original } = specimen;
  let start = 0;
  for (let i = 0; i <= index; i++) start += literals![i]!.length + (i < index ? messages[i]!.content!.length : 0);
  const before = original.slice(0, start);
  const behind = original.slice(start + messages[index]!.content!.length);
  if (text.length < before.length + behind.length || !text.startsWith(before) || !text.endsWith(behind)) return undefined;
  return text.slice(before.length, text.length - behind.length);
}
