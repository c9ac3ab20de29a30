/** Which notes to users' own streams an event of a conversation makes, and whom a command is about. */
import type { StreamCommand } from '../protocol/commands.ts';
import type { EventBody } from '../protocol/events.ts';
import type { UserId } from '../protocol/ids.ts';
import type { Note } from './membership-outbox.ts';

export function notesOf(seq: number, body: EventBody): Note[] {
  if (body.kind === 'joined') return [noteOf(body.user, seq, true, body.inviter)];
  if (body.kind === 'left') return [noteOf(body.user, seq, false, body.actor)];
  if (body.kind !== 'opened') return [];
  const { meta, members } = body;
  return members.map((user) => noteOf(user, seq, true, meta.kind === 'im' ? otherOf(members, user) : undefined));
}

/** In an im the note names the other one. */
function otherOf(members: readonly UserId[], user: UserId): UserId {
  return members.find((other) => other !== user) ?? user;
}

function noteOf(user: UserId, seq: number, member: boolean, actor: UserId | undefined): Note {
  return actor === undefined ? { user, seq, member } : { user, seq, member, actor };
}

/** Whose own streams hear of the command. */
export function usersOf(command: StreamCommand): readonly UserId[] {
  if (command.kind === 'open') return [command.meta.creator, ...command.members];
  if (command.kind === 'invite') return command.users;
  return command.kind === 'join' || command.kind === 'leave' || command.kind === 'kick' ? [command.user] : [];
}
