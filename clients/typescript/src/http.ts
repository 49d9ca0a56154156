/** Publishing over HTTP, with the unit's API key. */

import { join } from "node:path";
import { HTTP_TYPES, uncheckedEvent, type CheckedEvent } from "./check.js";
import type { CloudEvent } from "./cloudevent.js";
import { BATCH_TYPE, CONTENT_TYPE, toStructured } from "./envelope.js";
import { codeOfStatus, ContractError, fieldError, localized, readEach, type FieldError } from "./errors.js";
import { away, keepBatch, Publisher, type Accepted, type Door, type GivenEvent, type PublisherOptions, type Spooled } from "./publisher.js";
import { strip } from "./python.js";
import { endOf, insist } from "./retry.js";
import { ADDRESS_TEXTS } from "./generated/messages.js";
import type { BatchAccepted, DryRun, EventAccepted, Problem, Status } from "./generated/events.js";

const ANSWER_MS = 10_000;
const LEAST_ANSWER_MS = 1000;
const RETRY_AFTER_S = 5;
const BATCH_MAX = 100;
const DONE: readonly number[] = [200, 202];
/** The folder in the spool for what a key for trials sends: it must never go out in earnest. */
const TRIALS = "trial";
const TRIAL_KEY = "loatrial_";

/** An answer's parts, before anything is known of them. */
type Parts = Readonly<Record<string, unknown>> | null;

/** Options of the publisher over HTTP. */
export interface HttpOptions extends PublisherOptions {
  /** Address of Loa, as in `https://loa.example`, with the path under which it is, if there is one. */
  readonly url: string;
  /** The unit's API key. */
  readonly key: string;
}

/** Publishes the events of one unit over HTTP. */
export class HttpPublisher extends Publisher {
  private readonly http: HttpDoor;

  constructor(options: HttpOptions) {
    const door = new HttpDoor(options);
    super(door, { ...options, ...spoolOf(options) });
    this.http = door;
  }

  /** Of what was kept Loa judges alone: its operator's words may be others than this client's. */
  protected override admitKept(event: CloudEvent): CheckedEvent {
    return uncheckedEvent(event, this.unit);
  }

  /**
   * Send up to 100 events as one: all are taken, in their order, or none.
   *
   * While Loa is away they are kept, and then sent one by one. Throws as `publish` does; errors name the event, as in
   * `[3].data.title`. With a case event among them nothing is kept.
   */
  async publishBatch(events: readonly GivenEvent[]): Promise<readonly (Accepted | Spooled)[]> {
    checkLength(events.length);
    const checked = readEach(events, (event) => this.admit(event));
    return await this.sendOrKeep(checked, (end) => this.http.sendBatch(checked, end), keepBatch);
  }

  /** What would become of an event now; nothing is stored. Throws ContractError for what would be refused at once. */
  async dryRun(event: GivenEvent): Promise<DryRun> {
    return await this.http.dryRun(this.admit(event));
  }

  /** Where the item of an accepted event is. Throws ContractError, `not_found` for another unit's. */
  async status(eventId: string): Promise<Status> {
    return await this.http.status(eventId);
  }
}

class HttpDoor implements Door {
  readonly types = HTTP_TYPES;
  private readonly url: string;
  private readonly key: string;
  private readonly patienceS: number | undefined;

  constructor({ url, key, patienceS }: HttpOptions) {
    check(url, strip(key));
    this.url = url.replace(/\/+$/, "");
    this.key = strip(key);
    this.patienceS = patienceS;
  }

  async send(event: CheckedEvent, end: number): Promise<Accepted> {
    return acceptedAs(await this.post<EventAccepted>("/v1/events", [event], isAccepted, end));
  }

  async sendBatch(events: readonly CheckedEvent[], end: number): Promise<readonly Accepted[]> {
    const isWhole = (said: Parts) => partsOf(said).length === events.length && partsOf(said).every(isAccepted);
    const answer = await this.post<BatchAccepted>("/v1/events", events, isWhole, end, BATCH_TYPE);
    return answer.events.map(acceptedAs);
  }

  async dryRun(event: CheckedEvent): Promise<DryRun> {
    const isWhole = (said: Parts) => partsOf(said).length === 1;
    return await this.post<DryRun>("/v1/dry-runs", [event], isWhole, endOf(this.patienceS));
  }

  async status(eventId: string): Promise<Status> {
    const path = `/v1/events/${encodeURIComponent(eventId)}`;
    const isWhole = (said: Parts) => typeof said?.state === "string";
    return await this.ask<Status>(path, { method: "GET" }, isWhole, endOf(this.patienceS));
  }

  async close(): Promise<void> {}

  private async post<T>(
    path: string,
    events: readonly CheckedEvent[],
    isWhole: (said: Parts) => boolean,
    end: number,
    type = CONTENT_TYPE,
  ): Promise<T> {
    const written = events.map(({ event }) => toStructured(event)).join(",");
    const body = type === BATCH_TYPE ? `[${written}]` : written;
    return await this.ask<T>(path, { method: "POST", body, headers: { "Content-Type": type } }, isWhole, end);
  }

  /** Loa's answer. *isWhole* tells it from that of a proxy, which counts as Loa's absence. */
  private async ask<T>(path: string, request: RequestInit, isWhole: (said: Parts) => boolean, end: number): Promise<T> {
    return await insist(end, async (leftMs) => {
      const said = await this.askOnce(path, request, leftMs);
      if (!isWhole(said)) throw away(new Error("the answer is not Loa's"));
      return said as T;
    });
  }

  private async askOnce(path: string, request: RequestInit, leftMs: number): Promise<Parts> {
    const answerMs = Math.min(ANSWER_MS, Math.max(LEAST_ANSWER_MS, leftMs));
    const headers = { ...request.headers, Authorization: `Bearer ${this.key}` };
    try {
      const limits = { redirect: "manual", signal: AbortSignal.timeout(answerMs) } as const;
      const answer = await fetch(this.url + path, { ...request, ...limits, headers });
      if (DONE.includes(answer.status)) return (await answer.json()) as Parts;
      throw await refusalIn(answer);
    } catch (error) {
      throw error instanceof ContractError ? error : away(error);
    }
  }
}

/** The spool of a key, if there is one: trials are kept apart from what is sent in earnest. */
function spoolOf({ spool, key }: HttpOptions): Pick<PublisherOptions, "spool"> {
  return spool !== undefined && strip(key).startsWith(TRIAL_KEY) ? { spool: join(spool, TRIALS) } : {};
}

/** Throws ContractError for an empty batch, and for one with too many events, as the door does. */
function checkLength(count: number): void {
  if (!count) throw new ContractError("invalid", [fieldError("event", "empty_batch")]);
  const counts = { count, limit: BATCH_MAX };
  if (count > BATCH_MAX) throw new ContractError("too_large", [fieldError("event", "batch_too_long", counts)]);
}

function isAccepted(said: Parts): boolean {
  return typeof said?.event_id === "string";
}

function partsOf(said: Parts): readonly Parts[] {
  return Array.isArray(said?.events) ? said.events : [];
}

function acceptedAs(answer: EventAccepted): Accepted {
  return {
    outcome: "accepted",
    eventId: answer.event_id,
    contentId: answer.content_id,
    revision: answer.revision,
    duplicate: null,
    trial: answer.trial ?? false,
    warnings: answer.warnings ?? [],
  };
}

/** Throws ContractError, `invalid`, for an address that is none, and for a key that can't be in a header. */
function check(url: string, key: string): void {
  const errors: FieldError[] = [];
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) errors.push(localized("url", ADDRESS_TEXTS.no_url, {}));
  if (!/^[!-~ ]+$/.test(key)) errors.push(localized("key", ADDRESS_TEXTS.no_key, {}));
  if (errors.length) throw new ContractError("invalid", errors);
}

/** The refusal in an answer; what is no answer of Loa's door is an absence of Loa. */
async function refusalIn(answer: Response): Promise<ContractError> {
  const asked = answer.headers.get("Retry-After") ?? "";
  const retryAfterS = /^\d+$/.test(asked) ? Number(asked) : RETRY_AFTER_S;
  const text = await answer.text();
  const code = codeOfStatus(answer.status);
  const asksToWait = code === "unavailable" || code === "rate_limited";
  const errors = isProblem(answer) ? errorsIn(text) : [];
  if (code === null || !errors.length) return away(new Error(`HTTP ${answer.status}`));
  return new ContractError(code, errors, asksToWait ? retryAfterS : null);
}

function isProblem(answer: Response): boolean {
  return answer.headers.get("Content-Type")?.startsWith("application/problem+json") ?? false;
}

function errorsIn(text: string): readonly FieldError[] {
  return (JSON.parse(text) as Problem).errors;
}
