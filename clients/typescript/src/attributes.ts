/** The form of CloudEvents attributes. */

import { lengthOf } from "./python.js";
import { BIDI, BREAK, CONTROL } from "./text.js";

export const ATTRIBUTE_MAX = 256;
export const URI_MAX = 512;
export const EXTENSION_NAME_MAX = 64;
const EXTENSION_VALUE_MAX = 1024;
const INT_32 = 2 ** 31;
const HIDDEN = new RegExp(`[${CONTROL}${BREAK}${BIDI}\\ud800-\\udfff]`, "u");
const URI_REFERENCE = /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/;

/** Whether a text may be an attribute such as `id`. */
export function isAttribute(text: string): boolean {
  return isVisible(text, ATTRIBUTE_MAX);
}

export function isUriReference(text: string): boolean {
  return text.length <= URI_MAX && URI_REFERENCE.test(text);
}

export function isExtensionName(name: string): boolean {
  return /^[a-z0-9]+$/.test(name) && name.length <= EXTENSION_NAME_MAX && name !== "data";
}

/** Whether a value is a text, a whole number of 32 bits, or true or false. */
export function isExtensionValue(value: unknown): boolean {
  if (typeof value === "string") return isVisible(value, EXTENSION_VALUE_MAX);
  if (typeof value === "number") return value >= -INT_32 && value < INT_32;
  return typeof value === "boolean";
}

function isVisible(text: string, longest: number): boolean {
  return text !== "" && lengthOf(text) <= longest && !HIDDEN.test(text);
}
