// expect: TS2322
import type { Priority } from "../notifications.js";

export const PRIORITY: Priority = "urgent";
