/** What the sender of an accepted event is warned of, as Loa's doors and its Python client do. */

import { texts } from "./damagedText.js";
import { fieldError, type FieldWarning, type MessageCode, type TextValues } from "./errors.js";
import { isArray, type JsonObject } from "./json.js";
import { findLostMarks } from "./lostMarks.js";
import { findMisread } from "./misreadUtf8.js";
import { codePoints } from "./python.js";
import { shortenTitle, TITLE_MAX } from "./shorten.js";

const MARKDOWN = "data.body";
const SHOWN_END = 40;

/** The warnings about the fields of a valid event, in stored form; *isCase*: its titles are shown nowhere. */
export function findWarnings(content: JsonObject, isCase: boolean): readonly FieldWarning[] {
  const all = [...(isCase ? [] : titleWarnings(content)), ...damageWarnings(content)];
  return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()];
}

function* titleWarnings(content: JsonObject): Generator<FieldWarning> {
  yield* cutWarnings(content);
  const titles = ["title", "short_title"].map((name) => [name, content.get(name) ?? null] as const);
  yield* damageWarnings(new Map(titles));
}

function* cutWarnings(content: JsonObject): Generator<FieldWarning> {
  const name = content.get("short_title") ? "short_title" : "title";
  const given = String(content.get(name) ?? "");
  const channels = content.get("channels");
  const shown = shortenTitle(given);
  if (shown === given || (isArray(channels) && !channels.includes("zalo"))) return;
  const end = codePoints(shown).slice(-SHOWN_END).join("");
  const values = { limit: TITLE_MAX, end: end.slice(end.indexOf(" ") + 1) || end };
  yield fieldWarning(`data.${name}`, `${name}_cut`, values);
}

function* damageWarnings(content: JsonObject): Generator<FieldWarning> {
  for (const [field, text] of texts(content, "data")) {
    const misread = findMisread(text);
    if (misread) yield fieldWarning(field, "misread_words", { encoding: misread.encoding, word: misread.word });
    for (const { code, word, reading } of findLostMarks(text, field === MARKDOWN)) {
      yield fieldWarning(field, code, { word, reading });
    }
  }
}

function fieldWarning(field: string, code: MessageCode, values: TextValues): FieldWarning {
  return { ...fieldError(field, code, values), code };
}
