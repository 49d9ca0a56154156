// Sends the event in a file over HTTP with `@loa/client`, from the file of Loa's release.
//
//     npm install ./loa-client-0.1.0.tgz
//     LOA_URL=https://... LOA_API_KEY=loa_van-phong-bo_... node send.mts van-phong-bo event.json
//
// Before Node.js 23.6 call it send.mjs: it has no types of its own. While Loa is away the event is
// kept in the folder `spool`; the next run sends it first.

import { readFileSync } from "node:fs";
import { ContractError, HttpPublisher } from "@loa/client";

const [unit = "", file = ""] = process.argv.slice(2);
const { LOA_URL: url = "", LOA_API_KEY: key = "" } = process.env;
const publisher = new HttpPublisher({ url, key, unit, spool: "spool" });
try {
  const answer = await publisher.publish(JSON.parse(readFileSync(file, "utf8")));
  console.log(answer.outcome, answer.eventId);
} catch (error) {
  if (!(error instanceof ContractError)) throw error;
  for (const { field, message, message_vi } of error.errors) {
    console.error(`${field}: ${message} / ${message_vi}`);
  }
  process.exitCode = 2;
} finally {
  await publisher.close();
}
