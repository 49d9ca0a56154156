/** Values held against the JSON Schemas of the contracts, with the errors of Loa's doors. */

import { ATTRIBUTE_MAX, isAttribute, isUriReference, URI_MAX } from "./attributes.js";
import { isEmail, mobile } from "./addresses.js";
import {
  BrokenRule,
  fieldError,
  joinPath,
  MAX_ERRORS,
  moreErrors,
  nearest,
  WHOLE_EVENT,
  type ListedError,
  type MessageCode,
  type TextValues,
} from "./errors.js";
import { rulesOf, type ObjectRules } from "./fieldRules.js";
import { isArray, isObject, type JsonObject, type Value } from "./json.js";
import { day, instant } from "./moments.js";
import { lengthOf, pythonText } from "./python.js";
import { line, paragraphs } from "./text.js";
import { isWebAddress, URL_MAX } from "./urls.js";
import { PATTERNS } from "./generated/schemas.js";
import { PROVINCES } from "./generated/vocabulary.js";

/** The part of JSON Schema that the contracts use. */
export interface Schema {
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly $ref?: string;
  readonly title?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
  readonly allOf?: readonly Condition[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly default?: string | boolean | null | readonly string[];
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
}

/** Fields that are required where `status` has a value. */
export interface Condition {
  readonly if: {
    readonly properties: { readonly status: { readonly const: number } };
    readonly required: readonly string[];
  };
  readonly then: { readonly required: readonly string[]; readonly properties: unknown };
}

/** A broken rule, with the path of its field. */
export interface Detail {
  readonly path: readonly (string | number)[];
  readonly code: MessageCode;
  readonly values: TextValues;
}

/** A value in stored form, and what is wrong with it. */
export interface Read<T extends Value = Value> {
  readonly value: T;
  readonly details: readonly Detail[];
}

interface ObjectBeingRead {
  readonly schema: Schema;
  readonly rules: ObjectRules;
  readonly read: Map<string, Value>;
}

/** The members of an object by its schema; those that the schema lacks are refused. */
export function readParts(data: JsonObject, schema: Schema, root: Schema = schema): Read<JsonObject> {
  return new SchemaReader(root).readMembers(data, schema);
}

/** The errors of broken rules: one entry for each, bounded. */
export function explain(details: readonly Detail[], prefix: string): readonly ListedError[] {
  const listed = details.slice(0, MAX_ERRORS).map((detail) => errorOf(detail, prefix));
  const left = details.length - listed.length;
  return left ? [...listed, moreErrors(left)] : listed;
}

const PATTERN_TEXTS: Readonly<Record<string, MessageCode>> = {
  language: "language_tag",
  media_type: "media_type_form",
};

function errorOf(detail: Detail, prefix: string): ListedError {
  const field = joinPath(prefix, ...detail.path) || WHOLE_EVENT;
  const own = PATTERN_TEXTS[String(detail.path.at(-1))];
  const code = detail.code === "string_pattern_mismatch" && own ? own : detail.code;
  return fieldError(field, code, detail.values);
}

/** The broken rule of one value. */
export function broken(code: MessageCode, values: TextValues = {}): readonly Detail[] {
  return [{ path: [], code, values }];
}

/** Broken rules, seen from outside the member *name*. */
export function under(name: string | number, details: readonly Detail[]): readonly Detail[] {
  return details.map((one) => ({ ...one, path: [name, ...one.path] }));
}

class SchemaReader {
  constructor(private readonly root: Schema) {}

  readMembers(data: JsonObject, schema: Schema): Read<JsonObject> {
    const object = { schema, rules: rulesOf(schema), read: new Map<string, Value>() };
    const known = Object.keys(schema.properties ?? {});
    const details = [
      ...known.flatMap((name) => under(name, this.readMember(data.get(name), name, object))),
      ...[...data.keys()].filter((name) => !known.includes(name)).map((name) => unknownField(name, known)),
      ...(object.rules.between?.(data) ?? []),
    ];
    const whole = details.length ? [] : attempt(() => object.rules.whole?.(object.read));
    return { value: object.read, details: [...details, ...whole] };
  }

  private readMember(given: Value | undefined, name: string, object: ObjectBeingRead): readonly Detail[] {
    const part = object.schema.properties?.[name] ?? {};
    if (given === undefined && object.schema.required?.includes(name)) return broken("missing");
    const found = given === undefined ? { value: part.default ?? null, details: [] } : this.read(given, part);
    if (found.details.length) return found.details;
    const isJudged = given !== undefined || object.rules.judgesDefaults;
    const details = attempt(() => isJudged && object.rules.fields?.[name]?.(found.value, object.read));
    if (!details.length) object.read.set(name, found.value);
    return details;
  }

  private read(value: Value, schema: Schema): Read {
    const part = schema.$ref ? this.definition(schema.$ref) : schema;
    if (part.anyOf) return value === null ? { value, details: [] } : this.read(value, part.anyOf[0] ?? {});
    const types = typeof part.type === "string" ? [part.type] : (part.type ?? []);
    if (value === null && types.includes("null")) return { value: [], details: [] };
    if (part.const !== undefined || part.enum) return readChoice(value, part.enum ?? [part.const ?? ""]);
    switch (types[0]) {
      case "object":
        return this.readObject(value, part);
      case "array":
        return this.readArray(value, part);
      case "integer":
        return { value, details: integerDetails(value, part) };
      case "boolean":
        return { value, details: typeof value === "boolean" ? [] : broken("bool_type") };
      default:
        return readText(value, part);
    }
  }

  private definition(reference: string): Schema {
    return this.root.$defs?.[reference.replace("#/$defs/", "")] ?? {};
  }

  private readObject(value: Value, schema: Schema): Read {
    if (!schema.properties) return { value, details: isObject(value) ? [] : broken("dict_type") };
    return isObject(value) ? this.readMembers(value, schema) : { value, details: broken("model_type") };
  }

  private readArray(value: Value, schema: Schema): Read {
    if (!isArray(value)) return { value, details: broken("tuple_type") };
    const limit = schema.maxItems ?? Infinity;
    const entries = value.map((one) => this.read(one, schema.items ?? {}));
    if (entries.filter((one) => !one.details.length).length > limit) {
      return { value, details: broken("too_long", { max_length: limit }) };
    }
    const details = entries.flatMap((one, place) => under(place, one.details));
    const read = entries.map((one) => one.value);
    return { value: read, details: details.length ? details : listDetails(read, schema) };
  }
}

function listDetails(values: readonly Value[], schema: Schema): readonly Detail[] {
  if (values.length < (schema.minItems ?? 0)) return broken("too_short");
  const twice = values.find((value, place) => values.indexOf(value) < place);
  return schema.uniqueItems && twice !== undefined ? broken("repeated", { value: pythonText(twice) }) : [];
}

function readChoice(value: Value, expected: readonly string[]): Read {
  const isOne = typeof value === "string" && expected.includes(value);
  return { value, details: isOne ? [] : broken("literal_error", { expected }) };
}

function integerDetails(value: Value, schema: Schema): readonly Detail[] {
  if (typeof value !== "number" && typeof value !== "bigint") return broken("int_type");
  const { maximum: le, minimum: ge, exclusiveMinimum: gt } = schema;
  if (le !== undefined && value > le) return broken("less_than_equal", { le });
  if (ge !== undefined && value < ge) return broken("greater_than_equal", { ge });
  return gt !== undefined && value <= gt ? broken("greater_than", { gt }) : [];
}

function readText(value: Value, schema: Schema): Read {
  if (schema.format === "date") return attemptRead(value, () => day(value));
  if (typeof value !== "string") return { value, details: broken("string_type") };
  return attemptRead(value, () => storedText(value, schema));
}

/** The stored form of a text. Throws BrokenRule. */
function storedText(text: string, schema: Schema): string {
  switch (schema.format) {
    case "date-time":
      return instant(text);
    case "email":
      return required(text, isEmail(text), "email");
    case "uri-reference":
      return required(text, isUriReference(text), "uri_reference", { limit: URI_MAX });
    case "uri":
      required(text, lengthOf(text) > URL_MAX || isWebAddress(text), "url");
      return withinLimits(text, schema);
    case "province":
      required(text, isId(text), "not_slug", { value: text });
      return required(text, Object.hasOwn(PROVINCES, text), "unknown_province", { value: text });
    default:
      return textByPattern(text, schema);
  }
}

function textByPattern(text: string, schema: Schema): string {
  switch (schema.pattern) {
    case undefined:
      return required(text, isAttribute(text), "attribute_text", { limit: ATTRIBUTE_MAX });
    case PATTERNS.id:
      return required(text, isId(text), "not_slug", { value: text });
    case PATTERNS.mobile:
      return mobile(text);
    case PATTERNS.line:
      return withinLimits(line(text), schema);
    case PATTERNS.text:
      return withinLimits(paragraphs(text), schema);
    default:
      return matching(withinLimits(text, schema), schema.pattern);
  }
}

function matching(text: string, pattern: string): string {
  return required(text, new RegExp(pattern, "u").test(text), "string_pattern_mismatch", { pattern });
}

function withinLimits(text: string, schema: Schema): string {
  const length = lengthOf(text);
  const { minLength: min_length = 0, maxLength: max_length = Infinity } = schema;
  required(text, length <= max_length, "string_too_long", { max_length });
  return required(text, length >= min_length, "string_too_short", { min_length });
}

function required(text: string, holds: boolean, code: MessageCode, values: TextValues = {}): string {
  if (!holds) throw new BrokenRule(code, values);
  return text;
}

function isId(text: string): boolean {
  return new RegExp(PATTERNS.id).test(text);
}

function unknownField(name: string, known: readonly string[]): Detail {
  return { path: [name], code: "extra_forbidden", values: { near: nearest(name, known) } };
}

function attemptRead(given: Value, read: () => Value): Read {
  let value = given;
  const details = attempt(() => {
    value = read();
  });
  return { value, details };
}

/** The rule that *judge* finds broken, if one is. */
function attempt(judge: () => unknown): readonly Detail[] {
  try {
    judge();
    return [];
  } catch (error) {
    if (error instanceof BrokenRule) return broken(error.code, error.values);
    throw error;
  }
}
