// Sends the event in a file over HTTP with `@loa/client`, from the file of Loa's release.
//
//     npm install ./loa-client-0.1.0.tgz
//     LOA_URL=https://... LOA_API_KEY=loa_van-phong-bo_... node send.mts first-event.json
//
// Before Node.js 23.6 call it send.mjs: it has no types of its own.
// Exit code 2: refused, with each wrong field; 3: kept in the folder `spool`, as Loa is away.

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
    while (state === "received") {
      await setTimeout(1000);
      ({ state } = await publisher.status(answer.eventId));
    }
    console.log("state", state);
  } else {
    console.log("kept", answer.path); // while Loa is away, in order; the next run sends it first
    process.exitCode = 3;
  }
} catch (error) {
  if (!(error instanceof ContractError)) throw error;
  for (const { field, message, message_vi } of error.errors) {
    console.error(`${field}: ${message} / ${message_vi}`);
  }
  process.exitCode = 2;
} finally {
  await publisher.close();
}
