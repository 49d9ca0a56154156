/** Addresses of persons, checked by their form alone. */

import { BrokenRule } from "./errors.js";

const EMAIL_MAX = 254;
const EMAIL = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,63}$/;
const MOBILE = /^(?:0|\+?84)([35789][0-9]{8})$/;

export function isEmail(text: string): boolean {
  return text.length <= EMAIL_MAX && EMAIL.test(text);
}

/** The form that Zalo takes: 84 and nine digits. Throws BrokenRule. */
export function mobile(text: string): string {
  const found = MOBILE.exec(text.replace(/[ .-]/g, ""));
  if (!found) throw new BrokenRule("phone");
  return `84${found[1]}`;
}
