// expect: TS2322
import type { CloseCode } from "../notifications.js";

export const CODE: CloseCode = 4001;
