/** Texts as Loa's own code counts and writes them, where JavaScript differs. */

import { Decimal, isObject, type Value } from "./json.js";

/** White space, as a class for regular expressions. */
export const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
/** Letters, and numbers that are no digits. */
export const LETTER = "\\p{L}\\p{Nl}\\p{No}";

const EDGES = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "gu");
const END = new RegExp(`[${SPACE}]+$`, "u");
const SPACES = new RegExp(`[${SPACE}]+`, "gu");

/** The characters of a text. */
export function codePoints(text: string): readonly string[] {
  return Array.from(text);
}

/** The number of characters. */
export function lengthOf(text: string): number {
  let pairs = 0;
  for (const _ of text.matchAll(/[\ud800-\udbff][\udc00-\udfff]/g)) pairs++;
  return text.length - pairs;
}

/** The first characters of a text. */
export function firstOf(text: string, count: number): string {
  return text.length <= count ? text : codePoints(text).slice(0, count).join("");
}

/** A text without white space at its ends. */
export function strip(text: string): string {
  return text.replace(EDGES, "");
}

/** A text without white space at its end. */
export function stripEnd(text: string): string {
  return text.replace(END, "");
}

/** A text with single spaces. */
export function squeezeSpaces(text: string): string {
  return text.replace(SPACES, " ");
}

/** The words of a text. */
export function split(text: string): readonly string[] {
  return strip(text).split(SPACES).filter(Boolean);
}

export function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}

/** Whether every letter with a case is a capital, and there is one. */
export function isUpper(text: string): boolean {
  return /\p{Uppercase}/u.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text);
}

/** Whether every letter with a case is a small one, and there is one. */
export function isLower(text: string): boolean {
  return /\p{Lowercase}/u.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text);
}

/** A JSON value in a text. */
export function pythonText(value: Value): string {
  return typeof value === "string" ? value : inText(value);
}

function inText(value: Value): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (value instanceof Decimal) return decimalText(Number(value.text));
  if (isObject(value)) {
    const pairs = [...value].map(([key, inner]) => `${quoted(key)}: ${inText(inner)}`);
    return `{${pairs.join(", ")}}`;
  }
  return `[${value.map(inText).join(", ")}]`;
}

function quoted(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\\n\r\t]/g, (sign) => JSON.stringify(sign).slice(1, -1));
  return `${mark}${mark === "'" ? escaped.replace(/'/g, "\\'") : escaped}${mark}`;
}

/** The shortest decimal of a number, always with a point or an exponent. */
export function decimalText(number: number): string {
  const [digits = "0", exponent = "0"] = Math.abs(number).toExponential().split("e");
  const sign = number < 0 || Object.is(number, -0) ? "-" : "";
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    const written = String(Math.abs(power)).padStart(2, "0");
    return `${sign}${digits}e${power < 0 ? "-" : "+"}${written}`;
  }
  const plain = plainDecimal(digits.replace(".", ""), power);
  return sign + plain;
}

function plainDecimal(digits: string, power: number): string {
  if (power < 0) return `0.${"0".repeat(-power - 1)}${digits}`;
  const padded = digits.padEnd(power + 2, "0");
  return `${padded.slice(0, power + 1)}.${padded.slice(power + 1)}`;
}
