// expect: TS2367
import { CLOSES } from "../notifications.js";

export const EQUAL = CLOSES.idle.errorCodes[0] === "QUOTA_EXCEEDED";
