/** One CloudEvent 1.0 with its attributes; `envelope` reads it. */

import { EXTENSION_NAME_MAX, isExtensionName, isExtensionValue } from "./attributes.js";
import { ContractError, fieldError, nearest, type Bilingual, type ListedError } from "./errors.js";
import { isObject, type JsonObject, type Value } from "./json.js";
import { explain, readParts, type Detail } from "./schemaCheck.js";
import { CLOUDEVENT } from "./generated/schemas.js";

const EXTENSIONS_MAX = 32;

/** An event as it was read. */
export interface CloudEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string | null;
  /** All attributes in their stored form and order: those of CloudEvents, then extensions. */
  readonly attributes: JsonObject;
  readonly extensions: JsonObject;
  readonly data: JsonObject;
}

/** The attributes defined by CloudEvents; all others are extensions. */
export const CONTEXT_ATTRIBUTES: readonly string[] = Object.keys(CLOUDEVENT.properties ?? {}).filter(
  (name) => name !== "data",
);

/** An event from its attributes (known and not) and its data. Throws ContractError. */
export function buildEvent(attributes: JsonObject, data: Value | undefined): CloudEvent {
  const given = [...attributes].filter(([, value]) => value !== null);
  const context = new Map(given.filter(([name]) => CONTEXT_ATTRIBUTES.includes(name)));
  const extensions = new Map(given.filter(([name]) => !CONTEXT_ATTRIBUTES.includes(name)));
  if (data !== undefined) context.set("data", data);
  const { value, details } = readParts(context, CLOUDEVENT);
  const found = [...details, ...extensionDetails(extensions)];
  if (found.length) throw new ContractError("invalid", [...attributeErrors(found, extensions)]);
  return eventOf(value, extensions);
}

function eventOf(read: JsonObject, extensions: JsonObject): CloudEvent {
  const text = (name: string) => String(read.get(name));
  const [subject, data] = [read.get("subject"), read.get("data")];
  const written = CONTEXT_ATTRIBUTES.filter((name) => (read.get(name) ?? null) !== null);
  const stored = written.map((name) => [name, storedAttribute(name, text(name))] as const);
  return {
    id: text("id"),
    source: text("source"),
    type: text("type"),
    subject: typeof subject === "string" ? subject : null,
    attributes: new Map<string, Value>([...stored, ...extensions]),
    extensions,
    data: isObject(data) ? data : new Map(),
  };
}

/** An attribute as it is stored: a time in its shortest form, in UTC. */
function storedAttribute(name: string, value: string): string {
  return name === "time" ? `${value.replace(/\.?0*$/, "")}Z` : value;
}

function extensionDetails(extensions: JsonObject): readonly Detail[] {
  const wrong = [...extensions].flatMap(([name, value]) => extensionFaults(name, value));
  if (wrong.length || extensions.size <= EXTENSIONS_MAX) return wrong;
  const values = { count: extensions.size, limit: EXTENSIONS_MAX };
  return [{ path: ["extensions"], code: "too_many_extensions", values }];
}

function extensionFaults(name: string, value: Value): readonly Detail[] {
  const path = ["extensions", name];
  const wrong: Detail[] = [];
  if (!isExtensionName(name)) {
    wrong.push({ path, code: "extension_name", values: { limit: EXTENSION_NAME_MAX } });
  }
  if (!isExtensionValue(value)) wrong.push({ path, code: "extension_value", values: {} });
  return wrong;
}

/** The errors of attributes; one that is missing, and may have been misspelt, is named there. */
function* attributeErrors(details: readonly Detail[], extensions: JsonObject): Generator<ListedError> {
  const missing = details.filter((one) => one.code === "missing").map((one) => String(one.path[0]));
  const meant = new Map<string, Bilingual>();
  for (const name of extensions.keys()) {
    const near = nearest(name, missing);
    if (near.en) meant.set(name, near);
  }
  for (const error of explain(details, "")) {
    const name = error.field.replace(/^extensions\./, "");
    if (!meant.has(name)) yield { ...error, field: name };
  }
  for (const [name, near] of meant) yield fieldError(name, "unknown_attribute", { near });
}
