/** The same request again and again, until there is an answer or the time is over. */

import { setTimeout as sleep } from "node:timers/promises";
import { ContractError } from "./errors.js";

/** How long `publish` and `status` try, unless the publisher was told otherwise. */
export const PATIENCE_S = 15;
const LEAST_PAUSE_S = 0.2;
const LONGEST_PAUSE_S = 5;
/** The longest time of a timer; a longer one would be over at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** When a patience that begins now is used up, by the clock of `performance`. */
export function endOf(patienceS = PATIENCE_S): number {
  return performance.now() + patienceS * 1000;
}

/** The answer to *ask*, which is told how many whole milliseconds are left until *end*. Throws the last ContractError. */
export async function insist<T>(end: number, ask: (leftMs: number) => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask(timerMs(end - performance.now()));
    } catch (error) {
      const pauseS = pauseAfter(error, attempt);
      if (!(performance.now() + pauseS * 1000 < end)) throw error; // also where the patience is no number
      await sleep(timerMs(pauseS * 1000));
    }
  }
}

/** A time as every timer takes it: some refuse fractions. */
function timerMs(ms: number): number {
  return Math.min(LONGEST_TIMER_MS, Math.max(1, Math.ceil(ms)));
}

/** How long Loa asked to wait; else longer after each attempt, and not all at the same time. */
function pauseAfter(error: unknown, attempt: number): number {
  const mayBeTaken = error instanceof ContractError && ["unavailable", "rate_limited"].includes(error.code);
  if (!mayBeTaken) return Infinity;
  const asked = error.cause === undefined ? error.retryAfterS : null;
  if (asked !== null) return Math.max(LEAST_PAUSE_S, asked);
  return Math.min(LONGEST_PAUSE_S, LEAST_PAUSE_S * 2 ** attempt) * (0.5 + Math.random() / 2);
}
