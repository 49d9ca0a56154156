/** Errors of the contract, by field, in English and Vietnamese; the texts are Loa's own. */

import { MESSAGES } from "./generated/messages.js";
import { nearestWord } from "./similarity.js";
import { codePoints, pythonText } from "./python.js";
import type { Value } from "./json.js";

/** The field named when an error concerns the event as a whole. */
export const WHOLE_EVENT = "event";
export const MAX_ERRORS = 50;
const MAX_FIELD_LENGTH = 200;
const MAX_VALUE_LENGTH = 100;
const MAX_WORD_LENGTH = 64;

/** One broken rule: the field, and the text in both languages, as the door's answers have it. */
export interface FieldError {
  /** The field as the sender wrote it, as in `data.title`. */
  readonly field: string;
  /** Text of the error in English. */
  readonly message: string;
  /** Text of the error in Vietnamese. */
  readonly message_vi: string;
}

/** Notice about an accepted field, which readers will see otherwise than it was sent. */
export interface FieldWarning extends FieldError {
  /** The code by which a program tells the warning. */
  readonly code: string;
}

/** An error of a list; `more`: the last one, which counts those left out. */
export interface ListedError extends FieldError {
  readonly more?: number;
}

/** A text, or a value in a text, in both languages. */
export interface Bilingual {
  readonly en: string;
  readonly vi: string;
}

export type MessageCode = keyof typeof MESSAGES;
export type TextValue = Value | readonly string[] | Bilingual;
export type TextValues = Readonly<Record<string, TextValue>>;

/** Kind of refusal. */
export type ErrorCode =
  | "unreadable"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "too_large"
  | "unsupported_media"
  | "invalid"
  | "rate_limited"
  | "unavailable";

const STATUSES: Readonly<Record<ErrorCode, number>> = {
  unreadable: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  unsupported_media: 415,
  invalid: 422,
  rate_limited: 429,
  unavailable: 503,
};

/** Something breaks the contract, or was not taken; `errors` has one entry at least. */
export class ContractError extends Error {
  /** The status of the door's answer. */
  readonly status: number;
  readonly errors: readonly FieldError[];
  /** The kind of refusal. */
  readonly code: ErrorCode;
  /** Seconds after which the same event may be sent again, if that helps. */
  readonly retryAfterS: number | null;

  constructor(code: ErrorCode, errors: readonly FieldError[], retryAfterS: number | null = null) {
    const limited = limitErrors(errors);
    super(limited.map((one) => `${one.field}: ${one.message}`).join("; "));
    this.name = "ContractError";
    this.code = code;
    this.status = STATUSES[code];
    this.errors = limited.map(({ field, message, message_vi }) => ({ field, message, message_vi }));
    this.retryAfterS = retryAfterS;
  }
}

/** The kind of refusal that a status of the door stands for; null for any other status. */
export function codeOfStatus(status: number): ErrorCode | null {
  const codes = Object.keys(STATUSES) as ErrorCode[];
  return codes.find((code) => STATUSES[code] === status) ?? null;
}

/** A value broke a rule; its field is known to the caller. */
export class BrokenRule extends Error {
  constructor(
    readonly code: MessageCode,
    readonly values: TextValues = {},
  ) {
    super(code);
  }
}

/** The error of a field with the text of a code. */
export function fieldError(field: string, code: MessageCode, values: TextValues = {}): FieldError {
  return localized(field, MESSAGES[code], values);
}

/** The error of an unreadable event. */
export function unreadable(field: string, code: MessageCode, values?: TextValues): ContractError {
  return new ContractError("unreadable", [fieldError(field, code, values)]);
}

/** The error of a field with a text of its own. */
export function localized(field: string, texts: Bilingual, values: TextValues): FieldError {
  return {
    field: printable(field, MAX_FIELD_LENGTH),
    message: fill(texts.en, values, "en"),
    message_vi: fill(texts.vi, values, "vi"),
  };
}

/** Placeholders are filled in; `{count:error|errors}` is the word that fits a number. */
function fill(template: string, values: TextValues, language: "en" | "vi"): string {
  const placeholder = /\{(\w+)(?::([^|{}]*)\|([^{}]*))?\}/g;
  return template.replace(placeholder, (_, name: string, one?: string, many?: string) => {
    const shown = shownValue(values[name] ?? null, language);
    return one === undefined ? shown : shown === "1" ? one : (many ?? "");
  });
}

function shownValue(value: TextValue, language: "en" | "vi"): string {
  if (isBilingual(value)) return printable(value[language]);
  if (isWords(value)) return value.map((word) => printable(word)).join(", ");
  return printable(pythonText(value));
}

function isBilingual(value: TextValue): value is Bilingual {
  return typeof value === "object" && value !== null && "en" in value && "vi" in value;
}

function isWords(value: TextValue): value is readonly string[] {
  return Array.isArray(value) && value.every((word) => typeof word === "string");
}

/** A value for display: bounded, control characters made visible, no line breaks. */
export function printable(text: string, maxLength = MAX_VALUE_LENGTH): string {
  const visible = codePoints(text)
    .slice(0, maxLength + 1)
    .map((sign) => (isPrintable(sign) ? sign : `U+${hexOf(sign)}`))
    .join("");
  const shown = codePoints(visible);
  return shown.length <= maxLength ? visible : `${shown.slice(0, maxLength).join("")}…`;
}

function isPrintable(sign: string): boolean {
  return sign === " " || !/[\p{C}\p{Z}]/u.test(sign);
}

/** The code point of a character, in four hexadecimal digits or more. */
export function hexOf(sign: string): string {
  return (sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
}

/** The error of a value that is none of the known words. */
export function unknownWord(
  field: string,
  code: MessageCode,
  value: string,
  known: readonly string[],
): FieldError {
  return fieldError(field, code, { value, known, near: nearest(value, known) });
}

/** The question whether a known word was meant that resembles the value, or an empty text. */
export function nearest(value: string, known: readonly string[]): Bilingual {
  const words = codePoints(value).length <= MAX_WORD_LENGTH ? known : [];
  const near = nearestWord(value.toLowerCase(), words);
  if (near === null) return { en: "", vi: "" };
  const texts = MESSAGES.is_near_meant;
  return { en: texts.en.replace("{near}", near), vi: texts.vi.replace("{near}", near) };
}

/** The first errors, and a last one that counts the others. */
export function limitErrors(errors: readonly ListedError[]): readonly ListedError[] {
  const named = errors.filter((one) => one.more === undefined);
  const counted = errors.reduce((sum, one) => sum + (one.more ?? 0), 0);
  const left = counted + Math.max(0, named.length - MAX_ERRORS);
  const listed = named.slice(0, MAX_ERRORS);
  return left ? [...listed, moreErrors(left)] : listed;
}

/** An error entry saying that so many errors were left out. */
export function moreErrors(count: number): ListedError {
  return { ...fieldError(WHOLE_EVENT, "more_errors", { count }), more: count };
}

/** A field's path: `data.links.0.url`; a leading number is an event of a batch: `[3].data`. */
export function joinPath(...parts: readonly (string | number)[]): string {
  const [first, ...rest] = parts.filter((part) => part !== "");
  const begin = typeof first === "number" ? `[${first}]` : (first ?? "");
  return [begin, ...rest].join(".");
}

/** Read every entry of a batch, or throw one ContractError that names the faults of all. */
export function readEach<T, R>(entries: readonly T[], read: (entry: T) => R): readonly R[] {
  const results: R[] = [];
  const codes: ErrorCode[] = [];
  const faults: FieldError[] = [];
  for (const [number, entry] of entries.entries()) {
    try {
      results.push(read(entry));
    } catch (error) {
      if (!(error instanceof ContractError)) throw error;
      codes.push(error.code);
      faults.push(...error.errors.map((one) => ({ ...one, field: placeInBatch(number, one.field) })));
    }
  }
  const [code] = codes;
  if (code) throw new ContractError(code, faults);
  return results;
}

function placeInBatch(number: number, field: string): string {
  return field === WHOLE_EVENT ? `[${number}]` : joinPath(number, field);
}

/** The refusal of an unreadable event for one error. */
export function unreadableField(error: FieldError): ContractError {
  return new ContractError("unreadable", [error]);
}
