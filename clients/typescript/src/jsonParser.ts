/** A JSON parser that names mistakes as Loa's door does. */

import { unreadable, WHOLE_EVENT, type ContractError } from "./errors.js";
import { JSON_MESSAGES } from "./generated/messages.js";
import { Decimal, MAX_DEPTH, type Value } from "./json.js";
import { lengthOf, strip } from "./python.js";

type Mistake = Exclude<keyof typeof JSON_MESSAGES, "other">;

const SPACES = /[ \t\n\r]*/y;
const NUMBER = /(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const CONSTANTS = /NaN|-?Infinity/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const HEX = /[0-9A-Fa-f]{4}/y;
const WORDS: readonly (readonly [string, Value])[] = [["null", null], ["true", true], ["false", false]];
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t",
};
const DIGITS_MAX = 4300;
const STACK_MAX = 900;

/** The value that *text* holds. Throws ContractError, naming the place of a mistake. */
export function parse(text: string, field: string): Value {
  if (!strip(text)) throw unreadable(field, "empty");
  return new Parser(text, field).parse();
}

class Parser {
  private at = 0;
  private depth = 0;

  constructor(
    private readonly text: string,
    private readonly field: string,
  ) {}

  parse(): Value {
    this.skipSpaces();
    const value = this.readValue();
    this.skipSpaces();
    if (this.at < this.text.length) throw this.mistake("Extra data", this.at);
    return value;
  }

  private readValue(): Value {
    const sign = this.text[this.at];
    if (sign === '"') return this.readString();
    if (sign === "{" || sign === "[") return this.nested(sign);
    const word = WORDS.find(([name]) => this.text.startsWith(name, this.at));
    if (word) {
      this.at += word[0].length;
      return word[1];
    }
    return this.readNumber();
  }

  private nested(sign: "{" | "["): Value {
    if (++this.depth > STACK_MAX) throw unreadable(this.field, "too_deep", { limit: MAX_DEPTH });
    const value = sign === "{" ? this.readObject() : this.readArray();
    this.depth--;
    return value;
  }

  private readNumber(): Value {
    const constant = this.match(CONSTANTS);
    if (constant) throw unreadable(WHOLE_EVENT, "number", { value: constant[0] });
    const found = this.match(NUMBER);
    if (!found) throw this.mistake("Expecting value", this.at);
    const [written, whole = "", fraction, exponent] = found;
    if (fraction !== undefined || exponent !== undefined) {
      if (!Number.isFinite(Number(written))) throw unreadable(WHOLE_EVENT, "number", { value: written });
      return new Decimal(written);
    }
    if (whole.replace("-", "").length > DIGITS_MAX) throw unreadable(this.field, "number", { value: "…" });
    const number = Number(whole);
    return Number.isSafeInteger(number) ? number + 0 : BigInt(whole);
  }

  private readArray(): Value {
    const values: Value[] = [];
    this.step();
    if (this.take("]")) return values;
    for (;;) {
      values.push(this.readValue());
      if (this.ends("]", "Illegal trailing comma before end of array")) return values;
    }
  }

  private readObject(): Value {
    const members = new Map<string, Value>();
    let twice: string | null = null;
    this.step();
    if (this.take("}")) return members;
    for (;;) {
      const key = this.readKey();
      if (members.has(key)) twice ??= key;
      members.set(key, this.readValue());
      if (this.ends("}", "Illegal trailing comma before end of object")) break;
    }
    if (twice !== null) throw unreadable(twice, "duplicate_key");
    return members;
  }

  private readKey(): string {
    if (this.text[this.at] !== '"') {
      throw this.mistake("Expecting property name enclosed in double quotes", this.at);
    }
    const key = this.readString();
    this.skipSpaces();
    if (!this.take(":")) throw this.mistake("Expecting ':' delimiter", this.at);
    this.skipSpaces();
    return key;
  }

  /** Whether the list or object ends here; else a comma follows, and another entry. */
  private ends(bracket: "]" | "}", trailing: Mistake): boolean {
    this.skipSpaces();
    if (this.take(bracket)) return true;
    const comma = this.at;
    if (!this.take(",")) throw this.mistake("Expecting ',' delimiter", this.at);
    this.skipSpaces();
    if (this.text[this.at] === bracket) throw this.mistake(trailing, comma);
    return false;
  }

  private readString(): string {
    const begin = this.at++;
    let read = "";
    for (;;) {
      read += this.match(PLAIN)?.[0] ?? "";
      const sign = this.text[this.at];
      if (sign === undefined) throw this.mistake("Unterminated string starting at", begin);
      if (sign < " ") throw this.mistake("Invalid control character at", this.at);
      this.at++;
      if (sign === '"') return read;
      read += this.readEscape(begin);
    }
  }

  private readEscape(begin: number): string {
    const sign = this.text[this.at++];
    if (sign === undefined) throw this.mistake("Unterminated string starting at", begin);
    if (sign === "u") return this.readUnit();
    const meant = ESCAPES[sign];
    if (meant === undefined) throw this.mistake("Invalid \\escape", this.at - 2);
    return meant;
  }

  private readUnit(): string {
    const digits = this.at + 4 < this.text.length ? this.match(HEX) : null;
    if (!digits) throw this.mistake("Invalid \\uXXXX escape", this.at - 1);
    return String.fromCharCode(parseInt(digits[0], 16));
  }

  private step(): void {
    this.at++;
    this.skipSpaces();
  }

  private take(sign: string): boolean {
    const isThere = this.text[this.at] === sign;
    if (isThere) this.at++;
    return isThere;
  }

  private skipSpaces(): void {
    this.match(SPACES);
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  private mistake(mistake: Mistake, at: number): ContractError {
    const before = this.text.slice(0, at);
    const line = before.split("\n").length;
    const column = lengthOf(before.slice(before.lastIndexOf("\n") + 1)) + 1;
    return unreadable(this.field, "not_json", { detail: JSON_MESSAGES[mistake], line, column });
  }
}
