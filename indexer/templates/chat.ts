// Places in a chat: which key of a render program each message has. Source: format.ts, PROGRAMS.
import {
  KEY_AFTER_USER_BIT,
  KEY_LAST_BIT,
  KEY_PREVIOUS_SHIFT,
  KEY_ROLE_SHIFT,
  KEY_SYSTEM_BIT,
  ROLE_ASSISTANT,
  ROLE_BEGIN,
  ROLE_DEVELOPER,
  ROLE_END,
  ROLE_SYSTEM,
  ROLE_TOOL,
  ROLE_USER,
} from '../../assembly/core/summary/format.js';
import type { ProgramEntry, Role } from './program.js';

export type ChatRole = 'system' | 'user' | 'assistant';

export interface ChatMessage {
  readonly role: ChatRole;
  readonly content: string | null;
}

export const CHAT_ROLES: readonly ChatRole[] = ['system', 'user', 'assistant'];

export const ROLE_NUMBERS: Readonly<Record<Role, number>> = {
  begin: ROLE_BEGIN,
  system: ROLE_SYSTEM,
  user: ROLE_USER,
  assistant: ROLE_ASSISTANT,
  tool: ROLE_TOOL,
  developer: ROLE_DEVELOPER,
  end: ROLE_END,
};

export type Place = Pick<ProgramEntry, 'system' | 'previous' | 'role' | 'afterUser' | 'last'>;

/** The key of a place, as the filter computes it. */
export const keyOf = (place: Place): number =>
  (Number(place.system) << KEY_SYSTEM_BIT) |
  (ROLE_NUMBERS[place.previous] << KEY_PREVIOUS_SHIFT) |
  (ROLE_NUMBERS[place.role] << KEY_ROLE_SHIFT) |
  (Number(place.afterUser) << KEY_AFTER_USER_BIT) |
  (Number(place.last) << KEY_LAST_BIT);

/**
 * The places of a chat's messages and, behind them, its end. A message is *after the user* when a user message exists and the
 * message stands behind the last one; in a chat without a user message none is.
 */
export function placesOf(roles: readonly ChatRole[]): Place[] {
  const lastUser = roles.lastIndexOf('user');
  const system = roles[0] === 'system';
  const places: Place[] = roles.map((role, i) => ({
    system,
    previous: roles[i - 1] ?? 'begin',
    role,
    afterUser: lastUser >= 0 && i > lastUser,
    last: i === roles.length - 1,
  }));
  const last = places.at(-1);
  if (last) places.push({ system, previous: last.role, role: 'end', afterUser: last.afterUser, last: true });
  return places;
}

/** For messages: `first-system user→assistant after-user last`. */
export const placeName = (place: Place): string =>
  [`${place.previous}→${place.role}`, place.system && 'with system', place.afterUser && 'after user', place.last && 'last']
    .filter(Boolean)
    .join(', ');
