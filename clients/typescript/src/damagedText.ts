/** Errors about texts that were damaged for the most part before they were sent, by field. */

import { fieldError, joinPath, type FieldError } from "./errors.js";
import { isArray, isObject, type JsonObject, type Value } from "./json.js";
import { findLegacy } from "./legacyEncodings.js";
import { findMisread } from "./misreadUtf8.js";
import { isAscii } from "./python.js";

const MOST_TEXTS = 64;

/** The errors of the texts in *data*; of more than an event can have, the first are judged. */
export function damageErrors(data: JsonObject): readonly FieldError[] {
  const marked = [...texts(data, "data")].filter(([, text]) => !isAscii(text)).slice(0, MOST_TEXTS);
  return marked.flatMap(([field, text]) => damageError(field, text) ?? []);
}

/** The error of a text that was damaged for the most part, or null. */
function damageError(field: string, text: string): FieldError | null {
  const misread = findMisread(text);
  if (misread?.isMost) {
    return fieldError(field, "misread_utf8", { encoding: misread.encoding, reading: misread.reading });
  }
  const legacy = findLegacy(text);
  return legacy && fieldError(field, "legacy_encoding", { encoding: legacy.encoding, reading: legacy.reading });
}

/** The texts inside *value*, each with its field. */
export function* texts(value: JsonObject | readonly Value[], path: string): Generator<readonly [string, string]> {
  for (const [name, inner] of isArray(value) ? value.entries() : value) {
    const field = joinPath(path, name);
    if (typeof inner === "string") yield [field, inner];
    else if (isObject(inner) || isArray(inner)) yield* texts(inner, field);
  }
}
