/** Words that events may use; an operator may have others than those that Loa ships with. */

import { fieldError, unknownWord, type FieldError } from "./errors.js";
import { vietnameseDay } from "./moments.js";

/** A part of the ministry; its id outlives its names. An ended one has a last day, `until`. */
export interface Unit {
  readonly name: string;
  readonly english: string;
  readonly until: string | null;
  /** Former ids and names, each valid until a day. */
  readonly formerly: readonly { readonly id: string | null; readonly name: string; readonly until: string }[];
}

/** A subject of content. */
export interface Topic {
  readonly name: string;
  readonly english: string;
  readonly kind: "core" | "optional" | "system";
  /** Reserved for Loa's own content; events may not use it. */
  readonly own: boolean;
}

/** A group of readers. */
export interface Audience {
  readonly name: string;
  readonly english: string;
}

/** A series of bulletins: the unit that issues it, and the topic of its issues. */
export interface Series {
  readonly name: string;
  readonly english: string;
  readonly unit: string;
  readonly topic: string;
}

/** A province or centrally run city. */
export interface Province {
  readonly name: string;
  readonly code: string;
}

/** Which units, topics, audiences and series exist, by their ids. */
export interface Vocabulary {
  readonly units: Readonly<Record<string, Unit>>;
  readonly topics: Readonly<Record<string, Topic>>;
  readonly audiences: Readonly<Record<string, Audience>>;
  readonly bulletins: Readonly<Record<string, Series>>;
}

export type WordKind = "unit" | "topic" | "audience";

/** Whether *word* may be used now: a unit by its present id. */
export function knows(vocabulary: Vocabulary, kind: WordKind, word: string): boolean {
  if (kind === "unit") return ownOf(vocabulary.units, word)?.until === null;
  return Object.hasOwn(kind === "topic" ? vocabulary.topics : vocabulary.audiences, word);
}

/** Whether *topic* is reserved for Loa's own content. */
export function isReserved(vocabulary: Vocabulary, topic: string): boolean {
  return ownOf(vocabulary.topics, topic)?.own ?? false;
}

/** The error of *word*, which the vocabulary does not know, with the words that it does. */
export function wordError(field: string, kind: WordKind, word: string, vocabulary: Vocabulary): FieldError {
  const all = { unit: vocabulary.units, topic: vocabulary.topics, audience: vocabulary.audiences }[kind];
  const known = Object.keys(all).filter(
    (one) => knows(vocabulary, kind, one) && !isReserved(vocabulary, one),
  );
  return unknownWord(field, `unknown_${kind}`, word, known);
}

/** Why *unit* may not publish, or null: unknown, ended, or known by a newer id. */
export function unitError(field: string, unit: string, vocabulary: Vocabulary): FieldError | null {
  if (knows(vocabulary, "unit", unit)) return null;
  const ended = ownOf(vocabulary.units, unit);
  if (ended) {
    return fieldError(field, "ended_unit", { value: unit, until: vietnameseDay(ended.until ?? "") });
  }
  const present = aliasesOf(vocabulary).get(unit);
  if (present !== undefined) return fieldError(field, "unit_alias", { value: unit, unit: present });
  return wordError(field, "unit", unit, vocabulary);
}

/** Former id → present id. */
export function aliasesOf(vocabulary: Vocabulary): ReadonlyMap<string, string> {
  const aliases = Object.entries(vocabulary.units).flatMap(([id, unit]) =>
    unit.formerly.flatMap((former) => (former.id ? [[former.id, id] as const] : [])),
  );
  return new Map(aliases);
}

/** The entry of a record, if it is the record's own. */
export function ownOf<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
