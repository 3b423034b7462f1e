// expect: TS2741
import type { EssayStatusUpdated } from "../notifications.js";

export const NOTIFICATION: EssayStatusUpdated = {
  event: "essay_status_updated",
  data: {
    essay_id: "0d6b6c62-3f1c-4a57-9f5c-6a9c1f1e2b10",
    status: "uploaded",
    timestamp: "2025-09-16T08:03:23+00:00",
  },
};
