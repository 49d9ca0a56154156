/** Publishing over HTTP, with the unit's API key. */

import { setTimeout as sleep } from "node:timers/promises";
import { HTTP_TYPES, type CheckedEvent } from "./check.js";
import { CONTENT_TYPE, toStructured } from "./envelope.js";
import { codeOfStatus, ContractError, type ErrorCode, type FieldError } from "./errors.js";
import { away, Publisher, type Accepted, type Door, type PublisherOptions } from "./publisher.js";
import type { EventAccepted, Problem, Status } from "./generated/events.js";

const PATIENCE_S = 15;
const ANSWER_S = 10;
const RETRY_AFTER_S = 5;
const FIRST_PAUSE_S = 0.2;
const LONGEST_PAUSE_S = 5;
const AGAIN: readonly ErrorCode[] = ["unavailable", "rate_limited"];

/** Options of the publisher over HTTP. */
export interface HttpOptions extends PublisherOptions {
  /** Address of Loa, as in `https://loa.example`. */
  readonly url: string;
  /** The unit's API key. */
  readonly key: string;
}

/** Publishes the events of one unit over HTTP. */
export class HttpPublisher extends Publisher {
  private readonly http: HttpDoor;

  constructor(options: HttpOptions) {
    const door = new HttpDoor(options);
    super(door, options);
    this.http = door;
  }

  /** Where the item of an accepted event is. Throws ContractError, `not_found` for another unit's. */
  async status(eventId: string): Promise<Status> {
    return await this.http.status(eventId);
  }
}

class HttpDoor implements Door {
  readonly types = HTTP_TYPES;
  private readonly url: URL;
  private readonly key: string;
  private readonly patienceS: number;

  constructor({ url, key, patienceS = PATIENCE_S }: HttpOptions) {
    this.url = new URL(url);
    this.key = key;
    this.patienceS = patienceS;
  }

  async send(event: CheckedEvent): Promise<Accepted> {
    const body = toStructured(event.event);
    const answer = await this.insist<EventAccepted>("/v1/events", { method: "POST", body });
    return {
      outcome: "accepted",
      eventId: answer.event_id,
      contentId: answer.content_id,
      revision: answer.revision,
      duplicate: null,
      warnings: answer.warnings ?? [],
    };
  }

  async status(eventId: string): Promise<Status> {
    return await this.insist<Status>(`/v1/events/${encodeURIComponent(eventId)}`, { method: "GET" });
  }

  async close(): Promise<void> {}

  /** Ask again, with the same request, until there is an answer or the patience is used up. */
  private async insist<T>(path: string, request: RequestInit): Promise<T> {
    const end = performance.now() + this.patienceS * 1000;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.ask<T>(path, request);
      } catch (error) {
        const pauseS = error instanceof ContractError && AGAIN.includes(error.code) ? pauseAfter(error, attempt) : Infinity;
        if (performance.now() + pauseS * 1000 >= end) throw error;
        await sleep(pauseS * 1000);
      }
    }
  }

  private async ask<T>(path: string, request: RequestInit): Promise<T> {
    const headers = { Authorization: `Bearer ${this.key}`, "Content-Type": CONTENT_TYPE };
    const limits = { redirect: "manual", signal: AbortSignal.timeout(ANSWER_S * 1000) } as const;
    try {
      const answer = await fetch(new URL(path, this.url), { ...request, ...limits, headers });
      if (answer.ok) return (await answer.json()) as T;
      throw await refusalIn(answer);
    } catch (error) {
      throw error instanceof ContractError ? error : away(error, RETRY_AFTER_S);
    }
  }
}

/** The refusal in an answer; what is no answer of Loa's door is an absence of Loa. */
async function refusalIn(answer: Response): Promise<ContractError> {
  const retryAfterS = Number(answer.headers.get("Retry-After") ?? RETRY_AFTER_S);
  const text = await answer.text();
  const code = codeOfStatus(answer.status);
  const errors = isProblem(answer) ? errorsIn(text) : [];
  if (code === null || !errors.length) return away(new Error(`HTTP ${answer.status}`), RETRY_AFTER_S);
  return new ContractError(code, errors, AGAIN.includes(code) ? retryAfterS : null);
}

function isProblem(answer: Response): boolean {
  return answer.headers.get("Content-Type")?.startsWith("application/problem+json") ?? false;
}

function errorsIn(text: string): readonly FieldError[] {
  return (JSON.parse(text) as Problem).errors;
}

/** How long the door asked to wait; else longer after each attempt, and not all at the same time. */
function pauseAfter(error: ContractError, attempt: number): number {
  const asked = error.cause === undefined ? error.retryAfterS : null;
  return asked ?? Math.min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** attempt) * (0.5 + Math.random() / 2);
}
