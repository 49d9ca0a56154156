/** Times and days as events write them. */

import { BrokenRule } from "./errors.js";
import { type Value } from "./json.js";

const TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const DAY = /^(\d{4})-(\d\d)-(\d\d)$/;
const MINUTE_MS = 60_000;

/** A time in UTC with six digits of a second: `2026-11-24T01:00:00.000000`. Throws BrokenRule. */
export function instant(text: string): string {
  const found = TIME.exec(text);
  if (!found) throw new BrokenRule("instant");
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number);
  const [fraction = "", sign, offsetHour = "0", offsetMinute = "0"] = found.slice(7);
  const exists =
    isDay(year, month, day) && isBelow(hour, 24) && isBelow(minute, 60) && isBelow(second, 60) &&
    isBelow(Number(offsetHour), 24) && isBelow(Number(offsetMinute), 60);
  if (!exists) throw new BrokenRule("datetime_parsing");
  if (!(Number(year) > 1970 && Number(year) <= 2200)) throw new BrokenRule("instant_range");
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === "-" ? -1 : 1);
  const at = Date.UTC(Number(year), Number(month) - 1, day, hour, minute, second) - offset * MINUTE_MS;
  return `${new Date(at).toISOString().slice(0, 19)}.${fraction.padEnd(6, "0").slice(0, 6)}`;
}

/** A day: `2026-11-30`. Throws BrokenRule. */
export function day(value: Value): string {
  if (typeof value !== "string") throw new BrokenRule("date_type");
  const found = DAY.exec(value);
  if (!found) throw new BrokenRule("day");
  const [year, month, date] = found.slice(1).map(Number);
  if (!isDay(year, month, date)) throw new BrokenRule("date_from_datetime_parsing");
  return value;
}

/** A day as Vietnamese readers write it. */
export function vietnameseDay(iso: string): string {
  return iso.split("-").reverse().join("/");
}

function isDay(year = 0, month = 0, date = 0): boolean {
  if (!year || month < 1 || month > 12 || date < 1) return false;
  return date <= new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
}

function isBelow(value: number | undefined, limit: number): boolean {
  return value !== undefined && value < limit;
}
