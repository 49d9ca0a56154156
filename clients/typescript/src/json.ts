/** JSON read strictly: no repeated keys, no NaN, no broken text, no deep nesting. */

import { parse } from "./jsonParser.js";
import {
  fieldError,
  hexOf,
  joinPath,
  unreadable,
  unreadableField,
  WHOLE_EVENT,
  type FieldError,
} from "./errors.js";
import { decimalText, lengthOf } from "./python.js";
import { hasStackedMarks, MARKS_MAX } from "./text.js";
import { decodeUtf8 } from "./utf8.js";
import { JSON_MESSAGES } from "./generated/messages.js";

export const MAX_DEPTH = 12;

/** A number that is written with a fraction or an exponent: never a whole one. */
export class Decimal {
  constructor(readonly text: string) {}
}

export type JsonObject = ReadonlyMap<string, Value>;
/** A JSON value as it was read: members in their order, whole numbers apart from others. */
export type Value = null | boolean | number | bigint | string | Decimal | JsonObject | readonly Value[];

/** A JSON value as JavaScript has it. */
export type JsonInput = unknown;

/** The value in *body*. Throws ContractError, naming the field where it can. */
export function readJson(body: Uint8Array, field = WHOLE_EVENT): Value {
  const value = parse(decodeUtf8(body, field), field);
  checkValue(value, field);
  return value;
}

/** The value of a JavaScript value. Throws ContractError for one that JSON cannot express. */
export function fromInput(input: JsonInput): { readonly value: Value; readonly size: number } {
  let text: string | undefined;
  try {
    text = JSON.stringify(input, refuseInfinite);
  } catch (error) {
    throw notExpressible(error instanceof Error ? error.message : String(error));
  }
  if (text === undefined) throw notExpressible("no value");
  const value = parse(text, WHOLE_EVENT);
  checkValue(value, WHOLE_EVENT);
  return { value, size: Buffer.byteLength(text) };
}

function refuseInfinite(_: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new RangeError("Out of range float values are not JSON compliant");
  }
  return value;
}

function notExpressible(message: string) {
  const detail = { en: message, vi: JSON_MESSAGES.other.vi };
  return unreadable(WHOLE_EVENT, "not_json", { detail, line: 1, column: 1 });
}

/** The value as compact JSON; the same value always gives the same text. */
export function compactJson(value: Value): string {
  return writeJson(value, { comma: ",", colon: ":", text: JSON.stringify });
}

/** The value as Python's `json.dumps` writes it: ASCII alone, with spaces. */
export function spacedJson(value: Value): string {
  return writeJson(value, { comma: ", ", colon: ": ", text: asciiText });
}

interface Style {
  readonly comma: string;
  readonly colon: string;
  readonly text: (text: string) => string;
}

function writeJson(value: Value, style: Style): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return style.text(value);
  if (typeof value === "number" || typeof value === "bigint") return numberText(value);
  if (value instanceof Decimal) return decimalText(Number(value.text));
  if (isObject(value)) {
    const members = [...value].map(([key, inner]) => style.text(key) + style.colon + writeJson(inner, style));
    return `{${members.join(style.comma)}}`;
  }
  return `[${value.map((inner) => writeJson(inner, style)).join(style.comma)}]`;
}

function numberText(value: number | bigint): string {
  return Number.isInteger(value) || typeof value === "bigint" ? BigInt(value).toString() : decimalText(value);
}

function asciiText(text: string): string {
  const escape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(text).replace(/[\x7f-\uffff]/g, escape);
}

/** Canonical JSON: every text in NFC, keys in code point order, no spaces. */
export function canonicalJson(input: JsonInput): string {
  return compactJson(composed(input));
}

function composed(input: JsonInput): Value {
  if (typeof input === "string") return input.normalize("NFC");
  if (Array.isArray(input)) return input.map(composed);
  if (input instanceof Map) return composedMap([...input] as [string, JsonInput][]);
  if (input instanceof Decimal || input === null) return input;
  if (typeof input === "object") return composedMap(Object.entries(input));
  if (typeof input === "number" || typeof input === "boolean" || typeof input === "bigint") return input;
  throw notExpressible(typeof input);
}

function composedMap(members: readonly (readonly [string, JsonInput])[]): JsonObject {
  const merged = new Map(members.map(([key, inner]) => [key.normalize("NFC"), composed(inner)]));
  return new Map([...merged].sort(([a], [b]) => compareCodePoints(a, b)));
}

/** The order of texts by code points, which is that of their UTF-8 bytes. */
export function compareCodePoints(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

/** The value as JavaScript has it. */
export function toPlain(value: Value): unknown {
  if (isObject(value)) {
    return Object.fromEntries([...value].map(([key, inner]) => [key, toPlain(inner)]));
  }
  if (value instanceof Decimal) return Number(value.text);
  return isArray(value) ? value.map(toPlain) : value;
}

export function isObject(value: Value | undefined): value is JsonObject {
  return value instanceof Map;
}

export function isArray(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value);
}

function checkValue(value: Value, field: string): void {
  for (const fault of faults(value, field === WHOLE_EVENT ? "" : field, MAX_DEPTH)) {
    throw unreadableField(fault);
  }
}

function* faults(value: Value, path: string, depth: number): Generator<FieldError> {
  if (typeof value === "string") yield* brokenText(value, path);
  if (!isObject(value) && !isArray(value)) return;
  if (!depth) {
    yield fieldError(path || WHOLE_EVENT, "too_deep", { limit: MAX_DEPTH });
    return;
  }
  for (const [key, inner] of isObject(value) ? value : value.entries()) {
    yield* faults(inner, joinPath(path, key), depth - 1);
    yield* brokenText(String(key), path);
  }
}

function* brokenText(text: string, path: string): Generator<FieldError> {
  const field = path || WHOLE_EVENT;
  if (hasStackedMarks(text)) yield fieldError(field, "stacked_marks", { limit: MARKS_MAX });
  const half = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.exec(text);
  if (half) {
    const where = { character: `U+${hexOf(half[0])}`, position: lengthOf(text.slice(0, half.index)) + 1 };
    yield fieldError(field, "surrogate", where);
  }
}
