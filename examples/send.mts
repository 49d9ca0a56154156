// Sends the event in a file over HTTP with `@loa/client`, from the file of Loa's release.
//
//     npm install ./loa-client-0.1.0.tgz
//     LOA_URL=https://... LOA_API_KEY=loa_van-phong-bo_... node send.mts first-event.json
//
// Before Node.js 23.6 call it send.mjs: it has no types of its own.
// Exit code 2: refused, with each wrong field; 3: no answer for now, or the key is refused. The
// event is then kept in the folder `spool`.

import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { ContractError, HttpPublisher } from "@loa/client";

const { LOA_URL: url = "", LOA_API_KEY: key = "" } = process.env;
const publisher = new HttpPublisher({ url, key, unit: "van-phong-bo", spool: "spool" });
try {
  const answer = await publisher.publish(readFileSync(process.argv[2] ?? ""));
  if (answer.outcome === "accepted") {
    console.log("accepted", answer.eventId);
    let { state } = await publisher.status(answer.eventId);
    for (let asked = 1; asked < 60 && state === "received"; asked++) {
      await setTimeout(1000);
      ({ state } = await publisher.status(answer.eventId));
    }
    console.log("state", state);
    if (state === "refused") process.exitCode = 2;
  } else {
    console.log("kept", answer.path); // in order; the next run sends it first
    process.exitCode = 3;
    if (publisher.refusal) throw publisher.refusal;
  }
} catch (error) {
  if (!(error instanceof ContractError)) throw error;
  for (const { field, message, message_vi } of error.errors) {
    console.error(`${field}: ${message} / ${message_vi}`);
  }
  const isForLater = ["unavailable", "rate_limited", "unauthorized"].includes(error.code);
  process.exitCode = isForLater ? 3 : 2;
} finally {
  await publisher.close();
}
