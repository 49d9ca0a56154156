/** Rules between the fields of one object, which no JSON Schema states. */

import { BrokenRule } from "./errors.js";
import { issueOf } from "./bulletins.js";
import { planDetails } from "./campaigns.js";
import { isArray, type JsonObject, type Value } from "./json.js";
import type { Detail, Schema } from "./schemaCheck.js";

type FieldRule = (value: Value, before: JsonObject) => void;

/** The rules of one kind of object. */
export interface ObjectRules {
  /** Rules of fields that are valid by themselves, with the valid ones before them. */
  readonly fields?: Readonly<Record<string, FieldRule>>;
  /** Whether fields that are not given are judged, too. */
  readonly judgesDefaults?: boolean;
  /** Errors between the fields as they were written, beside those of the fields. */
  readonly between?: (written: JsonObject) => readonly Detail[];
  /** A rule of the whole object, once all of its fields are valid. */
  readonly whole?: (read: JsonObject) => void;
}

/** The rules of the object that a schema describes. */
export function rulesOf(schema: Schema): ObjectRules {
  if (schema.title === "CaseUpdated") return caseRules(schema);
  return RULES[schema.title ?? ""] ?? {};
}

const CONTENT: Readonly<Record<string, FieldRule>> = {
  expires_at: isAfter("not_before"),
  broadcast: (broadcast, before) => {
    const also = broadcast instanceof Map ? broadcast.get("also") : null;
    const itself = before.get("content_id");
    if (itself !== undefined && isArray(also) && also.includes(itself)) {
      throw new BrokenRule("names_itself", { value: itself });
    }
  },
  bulletin: (issue, before) => {
    if (!(issue instanceof Map)) return;
    const [named, own] = [before.get("content_id"), issueOf(issue).contentId];
    if (named !== undefined && named !== own) throw new BrokenRule("bulletin_content_id", { value: own });
  },
};

const RULES: Readonly<Record<string, ObjectRules>> = {
  Submitted: { fields: CONTENT },
  Corrected: { fields: { ...CONTENT, corrects_revision: isEarlierRevision } },
  Interruption: {
    fields: { expected_recovery_at: isAfter("begins_at"), resumed_at: isAfter("begins_at") },
  },
  Contact: { fields: { consent: isAgreed }, whole: hasAddress },
  BulletinIssue: { whole: (issue) => issueOf(issue).check() },
  CampaignPlan: { between: planDetails },
};

/** Times in stored form compare as texts. */
function isAfter(other: string): FieldRule {
  return (ends, before) => {
    const begins = before.get(other);
    if (typeof ends === "string" && typeof begins === "string" && ends <= begins) {
      throw new BrokenRule("not_after", { other });
    }
  };
}

function isEarlierRevision(corrected: Value, before: JsonObject): void {
  const revision = before.get("revision");
  if (typeof revision === "number" && Number(corrected) >= revision) {
    throw new BrokenRule("not_earlier_revision", { revision });
  }
}

function isAgreed(consent: Value): void {
  if (consent !== true) throw new BrokenRule("no_consent");
}

function hasAddress(contact: JsonObject): void {
  if (!["email", "phone", "zalo_user_id"].some((name) => contact.get(name))) {
    throw new BrokenRule("no_contact");
  }
}

function caseRules(schema: Schema): ObjectRules {
  const fields: Record<string, FieldRule> = { new_due_at: isGivenForApology };
  for (const { if: status, then } of schema.allOf ?? []) {
    for (const name of then.required) {
      const other = fields[name];
      fields[name] = (value, before) => {
        other?.(value, before);
        isGivenForStatus(status.properties.status.const, value, before);
      };
    }
  }
  return { fields, judgesDefaults: true };
}

function isGivenForStatus(status: number, value: Value, before: JsonObject): void {
  const isEmpty = value === null || (isArray(value) && !value.length);
  if (isEmpty && before.get("status") === status) throw new BrokenRule("required_for_status", { status });
}

function isGivenForApology(value: Value, before: JsonObject): void {
  if (value === null && before.get("notice") === "apology") throw new BrokenRule("required_for_apology");
}
