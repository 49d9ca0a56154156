/** An issue of a bulletin: the name of its item, and the text that follows from its parts. */

import { BrokenRule, fieldError, unknownWord, type FieldError } from "./errors.js";
import { isArray, isObject, type JsonObject, type Value } from "./json.js";
import { ownOf, type Vocabulary } from "./vocabulary.js";
import { BULLETIN_TEXTS } from "./generated/messages.js";

const MAX_ENTRIES = 100;
const MARKUP = /([\\`*_[\]<>&#|~!])/g;
const BLOCK_START = /^(\p{Nd}+)([.)])|^([-+=:])/u;

/** The issue that valid parts make. */
export function issueOf(parts: JsonObject): BulletinIssue {
  return new BulletinIssue(parts);
}

export class BulletinIssue {
  constructor(private readonly parts: JsonObject) {}

  get series(): string {
    return textOf(this.parts, "series");
  }

  /** The item that this issue is. */
  get contentId(): string {
    const number = String(this.parts.get("number")).padStart(2, "0");
    return `${this.series}-${String(this.parts.get("year"))}-so-${number}`;
  }

  /** The items that it tells of: entries, then amendments. */
  get contentIds(): readonly string[] {
    const told = [...this.sections.flatMap((section) => listOf(section, "entries")), ...this.amendments];
    return told.map((one) => textOf(one, "content_id"));
  }

  /** Throws BrokenRule for days or items that do not fit together. */
  check(): void {
    const [first, last] = [textOf(this.parts, "first_day"), textOf(this.parts, "last_day")];
    const year = this.parts.get("year") ?? null;
    if (first > last || Number(last.slice(0, 4)) !== year) throw new BrokenRule("bulletin_days", { year });
    const sections = this.sections.map((section) => textOf(section, "id"));
    for (const names of [this.contentIds, sections]) {
      const repeated = names.find((name) => names.indexOf(name) !== names.lastIndexOf(name));
      if (repeated !== undefined) throw new BrokenRule("repeated", { value: repeated });
    }
    if (this.contentIds.length > MAX_ENTRIES) throw new BrokenRule("bulletin_too_long", { limit: MAX_ENTRIES });
  }

  /** The body as Markdown. */
  get body(): string {
    const introduction = textOf(this.parts, "introduction");
    const blocks = introduction ? [introduction] : [];
    for (const section of this.sections) {
      const entries = listOf(section, "entries");
      if (entries.length) blocks.push(`## ${escaped(textOf(section, "name"))}`, ...entries.flatMap(entryBlocks));
    }
    if (this.amendments.length) {
      blocks.push(`## ${BULLETIN_TEXTS.amendments}`, ...this.amendments.map(amendmentBlock));
    }
    return [...blocks, ...this.ending].join("\n\n");
  }

  private get sections(): readonly JsonObject[] {
    return listOf(this.parts, "sections");
  }

  private get amendments(): readonly JsonObject[] {
    return listOf(this.parts, "amendments");
  }

  private get ending(): readonly string[] {
    const [name, masthead] = [textOf(this.parts, "compiled_by"), textOf(this.parts, "masthead")];
    const compiled = name ? [fill(BULLETIN_TEXTS.compiled_by, { name: escaped(name) })] : [];
    const lines = [...compiled, ...(masthead ? [escaped(masthead)] : [])];
    return lines.length ? ["---", ...lines] : [];
  }
}

function entryBlocks(entry: JsonObject): readonly string[] {
  const text = textOf(entry, "text");
  return [`### ${link(entry)}`, ...(text ? [escaped(text)] : [])];
}

function amendmentBlock(amendment: JsonObject): string {
  const reason = escaped(textOf(amendment, "reason"));
  const isCorrected = amendment.get("change") === "corrected";
  const texts = isCorrected
    ? [BULLETIN_TEXTS.corrected, BULLETIN_TEXTS.corrected_because]
    : [BULLETIN_TEXTS.withdrawn, BULLETIN_TEXTS.withdrawn_because];
  return fill(texts[reason ? 1 : 0] ?? "", { title: link(amendment), reason });
}

function link(one: JsonObject): string {
  return `[${escaped(textOf(one, "title"))}](${textOf(one, "content_id")})`;
}

/** A line of plain text as Markdown that shows just that text. */
function escaped(text: string): string {
  const begin = (_: string, digits = "", point = "", sign = "") => `${digits}\\${point || sign}`;
  return text.replace(MARKUP, "\\$1").replace(BLOCK_START, begin);
}

function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
}

function textOf(parts: JsonObject, name: string): string {
  const value: Value | undefined = parts.get(name);
  return typeof value === "string" ? value : "";
}

function listOf(parts: JsonObject, name: string): readonly JsonObject[] {
  const value = parts.get(name);
  return isArray(value) ? value.filter(isObject) : [];
}

/** An issue is of a known series, under its topic, and its body follows from its parts. */
export function* bulletinErrors(content: JsonObject, vocabulary: Vocabulary): Generator<FieldError> {
  const parts = content.get("bulletin");
  if (!isObject(parts)) return;
  const issue = issueOf(parts);
  const series = ownOf(vocabulary.bulletins, issue.series);
  if (!series) {
    const known = Object.keys(vocabulary.bulletins);
    yield unknownWord("data.bulletin.series", "unknown_series", issue.series, known);
  } else if (content.get("topic") !== series.topic) {
    yield fieldError("data.topic", "bulletin_topic", { value: series.topic });
  }
  if (content.get("body") !== issue.body) yield fieldError("data.body", "bulletin_body");
}

/** The unit whose bulletin an event issues; null if it issues none. */
export function ownerOfIssue(data: JsonObject, vocabulary: Vocabulary): string | null {
  const issue = data.get("bulletin");
  const name = isObject(issue) ? issue.get("series") : null;
  return typeof name === "string" ? (ownOf(vocabulary.bulletins, name)?.unit ?? null) : null;
}
