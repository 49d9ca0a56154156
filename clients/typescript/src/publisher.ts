/** Publishes the events of one unit: checked first, older ones first, kept on disk while Loa is away. */

import { admit, BUS_TYPES, readEvent, type CheckedEvent } from "./check.js";
import { ContractError, fieldError, type FieldWarning } from "./errors.js";
import { Spool } from "./spool.js";
import { VOCABULARY } from "./generated/vocabulary.js";
import type { LoaEvent } from "./generated/events.js";
import type { Vocabulary } from "./vocabulary.js";

/** Loa has stored the event. */
export interface Accepted {
  readonly outcome: "accepted";
  readonly eventId: string;
  readonly contentId: string;
  /** null for a withdrawal of what is not out; over NATS, for every withdrawal. */
  readonly revision: number | null;
  /** Whether it was stored before; null over HTTP, where a repeat gets the first answer again. */
  readonly duplicate: boolean | null;
  /** What readers will see otherwise than it was sent. */
  readonly warnings: readonly FieldWarning[];
}

/** The event waits in `path`, behind all older ones; `drain` sends it. */
export interface Spooled {
  readonly outcome: "spooled";
  readonly eventId: string;
  readonly contentId: string;
  readonly revision: number | null;
  readonly path: string;
}

/** Result of draining: sent events, files set aside as refused, and the number of events left. */
export interface Drained {
  readonly accepted: readonly Accepted[];
  readonly refused: readonly string[];
  /** The unit's events that wait. */
  readonly left: number;
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
  /** Throws ContractError; `isAway` tells whether the same event may be taken later. */
  send(event: CheckedEvent): Promise<Accepted>;
  close(): Promise<void>;
}

/** Publishes over one door, with a spool if there is a folder. */
export class Publisher {
  /** Why the last event was kept instead of sent; null once one was sent. */
  refusal: ContractError | null = null;
  readonly unit: string;
  protected readonly door: Door;
  private readonly spool: Spool | null;
  private readonly vocabulary: Vocabulary;
  private readonly units = new Map<string, string | null>();
  private turn: Promise<unknown> = Promise.resolve();

  constructor(door: Door, options: PublisherOptions) {
    this.door = door;
    this.unit = options.unit;
    this.spool = options.spool === undefined ? null : new Spool(options.spool);
    this.vocabulary = options.vocabulary ?? VOCABULARY;
  }

  /**
   * Check an event and send it, or keep it in the spool while Loa is away. A repeat is harmless.
   *
   * Throws ContractError, which names each wrong field; with the code `unavailable` or
   * `rate_limited` if Loa is away and the event is not kept.
   */
  async publish(event: LoaEvent | Uint8Array | string): Promise<Accepted | Spooled> {
    const checked = admit(readEvent(event), this.unit, this.vocabulary, this.door.types);
    return await this.inTurn(async () => {
      const left = BUS_TYPES.has(checked.event.type) ? (await this.drainInTurn()).left : 0;
      if (left && this.spool) return await this.keep(this.spool, checked);
      try {
        return await this.send(checked);
      } catch (error) {
        if (!isAway(error) || !this.spool || !BUS_TYPES.has(checked.event.type)) throw error;
        return await this.keep(this.spool, checked);
      }
    });
  }

  /** Send the unit's spooled events, oldest first, until none is left or Loa is away. */
  async drain(): Promise<Drained> {
    return await this.inTurn(() => this.drainInTurn());
  }

  /** End after what is being sent. */
  async close(): Promise<void> {
    await this.inTurn(() => this.door.close());
  }

  private async send(event: CheckedEvent): Promise<Accepted> {
    try {
      const accepted = await this.door.send(event);
      this.refusal = null;
      return accepted;
    } catch (error) {
      if (isAway(error)) this.refusal = error;
      throw error;
    }
  }

  private async drainInTurn(): Promise<Drained> {
    const [accepted, refused]: [Accepted[], string[]] = [[], []];
    const spool = this.spool;
    if (!spool) return { accepted, refused, left: 0 };
    await spool.draining(async () => {
      for (const path of await this.ownWaiting(spool)) {
        const result = await this.sendSpooled(spool, path);
        if (result === null) break;
        if (typeof result === "string") refused.push(result);
        else accepted.push(result);
      }
    });
    return { accepted, refused, left: (await this.ownWaiting(spool)).length };
  }

  /** The answer, or the path of the file of a refused event; null if Loa is away. */
  private async sendSpooled(spool: Spool, path: string): Promise<Accepted | string | null> {
    try {
      const { event } = await spool.read(path);
      const answer = await this.send(admit(event, this.unit, this.vocabulary, BUS_TYPES));
      await spool.remove(path);
      this.units.delete(path);
      return answer;
    } catch (error) {
      if (isAway(error)) return null;
      if (error instanceof ContractError) return await spool.setAside(path, error.message);
      throw error;
    }
  }

  /** The waiting events of this unit, and damaged ones; another unit's wait for its own publisher. */
  private async ownWaiting(spool: Spool): Promise<readonly string[]> {
    const waiting = await spool.waiting();
    for (const path of waiting) {
      if (!this.units.has(path)) this.units.set(path, await unitOf(spool, path));
    }
    return waiting.filter((path) => (this.units.get(path) ?? this.unit) === this.unit);
  }

  private async keep(spool: Spool, event: CheckedEvent): Promise<Spooled> {
    const { eventId, contentId, revision } = event;
    return { outcome: "spooled", eventId, contentId, revision, path: await spool.append(event) };
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.turn.catch(() => undefined);
    const done = before.then(work);
    this.turn = done;
    return await done;
  }
}

/** The unit of a spooled event; null for a damaged file. */
async function unitOf(spool: Spool, path: string): Promise<string | null> {
  try {
    return (await spool.read(path)).unit;
  } catch (error) {
    if (error instanceof ContractError) return null;
    throw error;
  }
}

/** Whether Loa, or the way to it, did not take an event that it may take later. */
export function isAway(error: unknown): error is ContractError {
  return error instanceof ContractError && ["unavailable", "rate_limited", "unauthorized"].includes(error.code);
}

/** The error of an event whose storage is not confirmed: it may be sent again. */
export function away(cause: unknown, retryAfterS: number): ContractError {
  const error = new ContractError("unavailable", [fieldError("event", "unavailable", { retry_after_s: retryAfterS })], retryAfterS);
  error.cause = cause;
  return error;
}
