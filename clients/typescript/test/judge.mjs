// Judges events, one JSON object a line: prints what is wrong with each, or warned of, in the same order.
//
//     node judge.mjs CLIENT < cases.jsonl

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { checkEvent, ContractError } = await import(pathToFileURL(process.argv[2]));

for await (const line of createInterface({ input: process.stdin })) {
  const { body, headers, unit } = JSON.parse(line);
  const options = { ...(headers && { headers }), ...(unit && { unit }) };
  console.log(JSON.stringify(judged(Buffer.from(body, "base64"), options)));
}

function judged(body, options) {
  try {
    const warnings = checkEvent(body, options);
    return { status: 0, errors: warnings.map((one) => [one.field, one.message, one.message_vi]) };
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    const errors = error.errors.map((one) => [one.field, one.message, one.message_vi]);
    return { status: error.status, errors };
  }
}
