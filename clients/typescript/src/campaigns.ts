/** The plan of a campaign, and an item that is a campaign or joins one. */

import { BrokenRule, fieldError, joinPath, MAX_ERRORS, type FieldError, type ListedError } from "./errors.js";
import { isArray, isObject, type JsonObject, type Value } from "./json.js";
import { day, vietnameseDay } from "./moments.js";
import { pythonText } from "./python.js";
import { explain, readParts, type Detail } from "./schemaCheck.js";
import { SCHEMAS } from "./generated/schemas.js";
import { aliasesOf, wordError, type Vocabulary } from "./vocabulary.js";

/** The field of a submitted text that has the plan. */
export const PLAN = "campaign_plan";
const FIELD = `data.${PLAN}`;
const MAX_PLANNED = 100;
const ROOT = SCHEMAS["vn.gov.moha.content.submitted.v1"];

/** A campaign is the item of its own name and has a plan; an item names a planned one of it. */
export function* campaignErrors(content: JsonObject, vocabulary: Vocabulary): Generator<FieldError> {
  const [own, campaign = null] = [content.get("content_id") ?? null, content.get("campaign")];
  const [plan = null, entry = null] = [content.get(PLAN), content.get("campaign_entry")];
  const isCampaign = campaign === own;
  if (plan !== null && !isCampaign) yield fieldError("data.campaign", "campaign_own", { value: own });
  else if (isCampaign && plan === null) yield fieldError(FIELD, "campaign_no_plan");
  if (entry !== null && (campaign === null || isCampaign)) {
    yield fieldError("data.campaign_entry", "campaign_none");
  }
  if (isObject(plan)) yield* planErrors(plan, vocabulary);
}

/** Everything that is wrong in a plan as it was written. */
export function planErrors(plan: JsonObject, vocabulary: Vocabulary): readonly ListedError[] {
  const schema = ROOT.$defs?.["CampaignPlan"] ?? {};
  const found = explain(readParts(plan, schema, ROOT).details, FIELD);
  const named = new Set(found.map((one) => one.field));
  const units = [...unknownUnits(plan, vocabulary)].filter((one) => !named.has(one.field));
  return [...found, ...units].map((error) => withEntry(error, plan));
}

/** Units have their present ids, or those they had when the plan was made. */
function* unknownUnits(plan: JsonObject, vocabulary: Vocabulary): Generator<FieldError> {
  const known = new Set([...Object.keys(vocabulary.units), ...aliasesOf(vocabulary).keys()]);
  for (const [where, unit] of unitsOf(plan)) {
    if (typeof unit === "string" && unit && !known.has(unit)) {
      yield wordError(joinPath(FIELD, where), "unit", unit, vocabulary);
    }
  }
}

function* unitsOf(plan: JsonObject): Generator<readonly [string, Value | undefined]> {
  for (const [place, unit] of listOf(plan, "partners").slice(0, MAX_ERRORS).entries()) {
    yield [`partners.${place}`, unit];
  }
  for (const [place, one] of listOf(plan, "entries").slice(0, MAX_PLANNED).entries()) {
    if (isObject(one)) yield [`entries.${place}.unit`, one.get("unit")];
  }
}

/** The error with the number of its planned item, which the place in the list need not be. */
function withEntry(error: ListedError, plan: JsonObject): ListedError {
  const path = error.field.startsWith(`${FIELD}.entries.`) ? error.field.slice(FIELD.length + 9) : error.field;
  const [place = "", ...rest] = path.split(".");
  const entry = /^\d+$/.test(place) ? listOf(plan, "entries")[Number(place)] : undefined;
  const number = isObject(entry) ? entry.get("number") : undefined;
  if (!isWhole(number) || rest.join(".") === "number") return error;
  const said = fieldError(error.field, "campaign_entry_named", { number });
  return {
    ...error,
    message: begun(said.message, error.message),
    message_vi: begun(said.message_vi, error.message_vi),
  };
}

function isWhole(value: Value | undefined): value is number | bigint | boolean {
  return ["number", "bigint", "boolean"].includes(typeof value);
}

/** Text on a planned item, with its name once. */
function begun(named: string, said: string): string {
  return said.includes(named) ? said : `${named}: ${said}`;
}

/** Errors between the fields of a plan as it was written, where they can be read. */
export function planDetails(plan: JsonObject): readonly Detail[] {
  const entries = objectsOf(plan, "entries");
  return [
    ...dayDetails(plan, entries),
    ...repeated("entries", "number", entries),
    ...repeated("targets", "metric", objectsOf(plan, "targets")),
  ];
}

type Placed = readonly (readonly [number, JsonObject])[];

function dayDetails(plan: JsonObject, entries: Placed): readonly Detail[] {
  const [first, last] = [dayOf(plan.get("first_day")), dayOf(plan.get("last_day"))];
  if (first && last && first > last) return [{ path: ["first_day"], code: "campaign_days", values: {} }];
  return entries.flatMap(([place, one]) => {
    const at = dayOf(one.get("day"));
    if (!at || ((first ?? at) <= at && at <= (last ?? at))) return [];
    const values = { number: one.get("number") ?? numberOf(one, place), day: vietnameseDay(at) };
    return [{ path: ["entries", place, "day"], code: "campaign_entry_day" as const, values }];
  });
}

/** The number that an entry without one has by its place. */
function numberOf(entry: JsonObject, place: number): Value {
  return entry.has("number") ? null : place + 1;
}

function repeated(field: string, name: string, objects: Placed): readonly Detail[] {
  const seen = new Set<string>();
  return objects.flatMap(([place, one]) => {
    const value = one.has(name) ? pythonText(one.get(name) ?? null) : "";
    const isRepeated = seen.has(value);
    if (value) seen.add(value);
    return isRepeated ? [{ path: [field, place, name], code: "repeated" as const, values: { value } }] : [];
  });
}

function objectsOf(plan: JsonObject, name: string): Placed {
  return listOf(plan, name).flatMap((one, place) => (isObject(one) ? [[place, one] as const] : []));
}

function listOf(plan: JsonObject, name: string): readonly Value[] {
  const value = plan.get(name);
  return isArray(value) ? value : [];
}

function dayOf(value: Value | undefined): string | null {
  try {
    return typeof value === "string" ? day(value) : null;
  } catch (error) {
    if (error instanceof BrokenRule) return null;
    throw error;
  }
}
