/** Publishes the events of one unit: checked first, older ones first, kept on disk while Loa is away. */

import { admit, BUS_TYPES, readEvent, type CheckedEvent } from "./check.js";
import { ContractError, fieldError, localized, type FieldError, type FieldWarning } from "./errors.js";
import type { CloudEvent } from "./cloudevent.js";
import { isMissing } from "./fileLock.js";
import { endOf } from "./retry.js";
import { Spool } from "./spool.js";
import { SPOOL_TEXTS } from "./generated/messages.js";
import { VOCABULARY } from "./generated/vocabulary.js";
import type { LoaEvent } from "./generated/events.js";
import type { Vocabulary } from "./vocabulary.js";

const RETRY_AFTER_S = 5;
/** How long `publish` keeps events at once after Loa was away. */
const AWAY_MS = 5000;

/** Loa has stored the event. */
export interface Accepted {
  readonly outcome: "accepted";
  readonly eventId: string;
  readonly contentId: string;
  /** null for a withdrawal of what is not out; over NATS, for every withdrawal. */
  readonly revision: number | null;
  /** Whether it was stored before; null over HTTP, where a repeat gets the first answer again. */
  readonly duplicate: boolean | null;
  /** Whether it was sent with a key for trials. */
  readonly trial: boolean;
  /** What readers will see otherwise than it was sent. */
  readonly warnings: readonly FieldWarning[];
}

/** An event as a program has it: an object, or JSON in bytes or in a text. */
export type GivenEvent = LoaEvent | Uint8Array | string;

/** The event waits in `path`, behind all older ones; `drain` sends it. */
export interface Spooled {
  readonly outcome: "spooled";
  readonly eventId: string;
  readonly contentId: string;
  readonly revision: number | null;
  readonly path: string;
  /** What readers will see otherwise than it was sent. */
  readonly warnings: readonly FieldWarning[];
}

/** Result of draining: sent events, files set aside as refused, and the number of events left. */
export interface Drained {
  readonly accepted: readonly Accepted[];
  readonly refused: readonly string[];
  /** The number of the unit's events that wait. */
  readonly left: number;
  /** Of those, the files that wait for a right of the key; later events of their items wait behind them. */
  readonly denied: readonly string[];
}

/** Draining under way. */
interface Draining {
  readonly accepted: Accepted[];
  readonly refused: string[];
  readonly denied: string[];
  /** The items of denied events. */
  readonly waitingItems: Set<string>;
  /** Another call or process is draining, and sends what is left. */
  isElsewhere: boolean;
}

/** Keeps events; the answers say where. */
type Keep = (spool: Spool, events: readonly CheckedEvent[]) => Promise<readonly Spooled[]>;

/** The key may not publish the event, which waits for the right, or is refused to its sender. */
export class Denied extends ContractError {
  constructor(error: FieldError) {
    super("forbidden", [error]);
  }
}

/** Options of every publisher. */
export interface PublisherOptions {
  /** The unit that sends, as Loa has registered it. */
  readonly unit: string;
  /** A folder in which events outlive an outage of Loa and of this process. */
  readonly spool?: string;
  readonly vocabulary?: Vocabulary;
  /** How long `publish` tries before it keeps the event, or throws. */
  readonly patienceS?: number;
}

/** The way to Loa: sends one event, again and again within its patience. */
export interface Door {
  /** The types that it takes. */
  readonly types: ReadonlySet<string>;
  /** Tries until *end*, once at least. Throws ContractError; `isAway` tells if the event may be taken later. */
  send(event: CheckedEvent, end: number): Promise<Accepted>;
  close(): Promise<void>;
}

/** Publishes over one door, with a spool if there is a folder. */
export class Publisher {
  /** Why the last event was not taken, by Loa's absence or for the key; null once one was. */
  refusal: ContractError | null = null;
  readonly unit: string;
  protected readonly door: Door;
  private readonly spool: Spool | null;
  private readonly vocabulary: Vocabulary;
  private readonly patienceS: number | undefined;
  private units: ReadonlyMap<string, string> = new Map();
  private awayUntil = -Infinity;
  private turn: Promise<unknown> = Promise.resolve();
  private draining: Promise<unknown> = Promise.resolve();
  private isClosing = false;

  protected constructor(door: Door, options: PublisherOptions) {
    this.door = door;
    this.unit = options.unit;
    this.spool = options.spool === undefined ? null : new Spool(options.spool);
    this.vocabulary = options.vocabulary ?? VOCABULARY;
    this.patienceS = options.patienceS;
  }

  /**
   * Check an event and send it, or keep it in the spool while Loa is away. A repeat is harmless.
   *
   * After Loa was away, events are kept at once for some seconds, and so they are while `drain` sends older ones.
   *
   * Throws ContractError, which names each wrong field; with the code `unavailable` or
   * `rate_limited` if Loa is away and the event is not kept.
   */
  async publish(event: GivenEvent): Promise<Accepted | Spooled> {
    const checked = this.admit(event);
    const [answer] = await this.sendOrKeep([checked], async (end) => [await this.door.send(checked, end)]);
    return answer as Accepted | Spooled;
  }

  /** Send the unit's spooled events, oldest first, until none is left, Loa is away, or another call sends them. */
  async drain(): Promise<Drained> {
    const drained = this.drainOwn();
    this.draining = Promise.allSettled([this.draining, drained]).then(() => undefined);
    return await drained;
  }

  /** End after what is being sent. A `drain` ends after its event, and leaves the others to the next one. */
  async close(): Promise<void> {
    this.isClosing = true;
    await this.inTurn(async () => {
      await this.draining;
      await this.door.close();
    }).finally(() => (this.isClosing = false));
  }

  protected admit(event: GivenEvent): CheckedEvent {
    return admit(readEvent(event), this.unit, this.vocabulary, this.door.types);
  }

  /** Check an event that was kept, by this client's words. Throws ContractError. */
  protected admitKept(event: CloudEvent): CheckedEvent {
    return admit(event, this.unit, this.vocabulary, BUS_TYPES);
  }

  /** Send *events* in one go after all older ones, or keep them; a case event is never kept. */
  protected async sendOrKeep(
    events: readonly CheckedEvent[],
    send: (end: number) => Promise<readonly Accepted[]>,
    keep: Keep = keepOne,
  ): Promise<readonly (Accepted | Spooled)[]> {
    const spool = events.every((one) => BUS_TYPES.has(one.event.type)) ? this.spool : null;
    const end = endOf(this.patienceS);
    return await this.inTurn(async () => {
      if (!spool) return await this.noting(() => send(end));
      if (performance.now() < this.awayUntil) return await keep(spool, events);
      const draining = await this.drainSpool(spool, end);
      if (!(await this.comesBehind(spool, events, draining))) return await this.sendWith(spool, events, () => send(end), keep);
      const kept = await keep(spool, events);
      if (draining.isElsewhere) await this.drainSpool(spool, end); // the other may have ended before these were kept
      return kept;
    });
  }

  /** Send events; keep them where Loa is away, and copies of denied ones. */
  private async sendWith(
    spool: Spool,
    events: readonly CheckedEvent[],
    send: () => Promise<readonly Accepted[]>,
    keep: Keep,
  ): Promise<readonly (Accepted | Spooled)[]> {
    try {
      return await this.noting(send);
    } catch (error) {
      if (error instanceof Denied) await keepRefused(spool, events, error);
      if (!isAway(error)) throw error;
      return await keep(spool, events);
    }
  }

  /** The answer to what is sent; `refusal` and Loa's absence are noted. */
  private async noting<A>(send: () => Promise<A>): Promise<A> {
    try {
      const accepted = await send();
      this.refusal = null;
      this.awayUntil = -Infinity;
      return accepted;
    } catch (error) {
      if (isAway(error)) this.awayUntil = performance.now() + AWAY_MS;
      if (isAway(error) || error instanceof Denied) this.refusal = error;
      throw error;
    }
  }

  /** Whether spooled events have to be sent first: all, or those of the item. */
  private async comesBehind(spool: Spool, events: readonly CheckedEvent[], draining: Draining): Promise<boolean> {
    const left = (await this.ownWaiting(spool)).length;
    return left > draining.denied.length || events.some((one) => draining.waitingItems.has(one.contentId));
  }

  private async drainOwn(): Promise<Drained> {
    const spool = this.spool;
    if (!spool) return { accepted: [], refused: [], denied: [], left: 0 };
    const { accepted, refused, denied } = await this.drainSpool(spool);
    return { accepted, refused, denied, left: (await this.ownWaiting(spool)).length };
  }

  /** Send spooled events; none after *end*, if there is one. */
  private async drainSpool(spool: Spool, end?: number): Promise<Draining> {
    const draining: Draining = { accepted: [], refused: [], denied: [], waitingItems: new Set(), isElsewhere: false };
    while (await this.drainOnce(spool, draining, end)); // look again: others are kept until the lock is given back
    return draining;
  }

  /** Whether all that waited, but for denied events, was sent. */
  private async drainOnce(spool: Spool, draining: Draining, end?: number): Promise<boolean> {
    if (!(await this.othersWaiting(spool, draining)).length) return false;
    const isDone = await spool.draining(() => this.sendWaiting(spool, draining, end));
    draining.isElsewhere = isDone === null;
    return isDone === true;
  }

  private async sendWaiting(spool: Spool, draining: Draining, end?: number): Promise<boolean> {
    for (const path of await this.othersWaiting(spool, draining)) {
      if (!(await this.sendSpooled(spool, path, draining, end ?? endOf(this.patienceS)))) return false;
      if (end === undefined ? this.isClosing : performance.now() >= end) return false;
    }
    return true;
  }

  private async othersWaiting(spool: Spool, { denied }: Draining): Promise<readonly string[]> {
    return (await this.ownWaiting(spool)).filter((path) => !denied.includes(path));
  }

  /** Whether the next one may be sent: Loa is not away. */
  private async sendSpooled(spool: Spool, path: string, draining: Draining, end: number): Promise<boolean> {
    try {
      const event = this.admitKept((await spool.read(path)).event);
      const answer = await this.sendUnlessDenied(event, draining, end);
      if (answer === null) draining.denied.push(path);
      else await spool.remove(path);
    } catch (error) {
      if (isAway(error)) return false;
      if (!(error instanceof ContractError)) throw error;
      draining.refused.push(await spool.setAside(path, error.message));
    }
    return true;
  }

  /** A right may come later, so what was promised is never set aside for a denial. */
  private async sendUnlessDenied(event: CheckedEvent, draining: Draining, end: number): Promise<Accepted | null> {
    if (draining.waitingItems.has(event.contentId)) return null;
    try {
      const answer = await this.noting(() => this.door.send(event, end));
      draining.accepted.push(answer);
      return answer;
    } catch (error) {
      if (!(error instanceof Denied)) throw error;
      draining.waitingItems.add(event.contentId);
      return null;
    }
  }

  /** The waiting events of this unit, and damaged ones; another unit's wait for its own publisher. */
  private async ownWaiting(spool: Spool): Promise<readonly string[]> {
    const units = new Map<string, string>();
    for (const path of await spool.waiting()) {
      const unit = this.units.get(path) ?? (await unitOf(spool, path, this.unit));
      if (unit !== null) units.set(path, unit);
    }
    this.units = units;
    return [...units.keys()].filter((path) => units.get(path) === this.unit);
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.turn.catch(() => undefined);
    const done = before.then(work);
    this.turn = done;
    return await done;
  }
}

/** Keep copies of denied events; where the disk refuses them that is the denial's cause. */
async function keepRefused(spool: Spool, events: readonly CheckedEvent[], denied: Denied): Promise<void> {
  try {
    for (const event of events) await spool.keepRefused(event, denied.message);
  } catch (error) {
    denied.cause = error;
  }
}

const keepOne: Keep = (spool, events) => kept(spool, events, () => Promise.all(events.map((one) => spool.append(one))));

/** Keep events, all or none; a conflict names the event's place. */
export const keepBatch: Keep = (spool, events) => kept(spool, events, () => spool.appendBatch(events));

/** The answers to events that *append* keeps. Throws ContractError, `unavailable`, if the disk refuses. */
async function kept(
  spool: Spool,
  events: readonly CheckedEvent[],
  append: () => Promise<readonly string[]>,
): Promise<readonly Spooled[]> {
  try {
    const paths = await append();
    return events.map(({ eventId, contentId, revision, warnings }, place) => {
      return { outcome: "spooled", eventId, contentId, revision, path: paths[place] as string, warnings };
    });
  } catch (error) {
    if (error instanceof ContractError) throw error;
    const facts = { folder: spool.folder, detail: error instanceof Error ? error.message : String(error) };
    throw away(error, RETRY_AFTER_S, localized("spool", SPOOL_TEXTS.not_kept, facts));
  }
}

/** The unit of a spooled event, *reader* for a damaged file; null for one that another process has removed. */
async function unitOf(spool: Spool, path: string, reader: string): Promise<string | null> {
  try {
    return (await spool.read(path)).unit;
  } catch (error) {
    if (error instanceof ContractError) return reader;
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Whether Loa, or the way to it, did not take an event that it may take later. */
export function isAway(error: unknown): error is ContractError {
  return error instanceof ContractError && ["unavailable", "rate_limited", "unauthorized"].includes(error.code);
}

/** The error of an event whose storage is not confirmed: it may be sent again. */
export function away(
  cause: unknown,
  retryAfterS = RETRY_AFTER_S,
  said = fieldError("event", "unavailable", { retry_after_s: retryAfterS }),
): ContractError {
  const error = new ContractError("unavailable", [said], retryAfterS);
  error.cause = cause;
  return error;
}
