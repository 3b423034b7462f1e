// expect: TS2339
import { CLOSES } from "../notifications.js";

export const CODE = CLOSES.timeout.code;
