/** What the check-up asks of the gateway. */

import { call } from '../api/client';
import type { DoctorMended, DoctorReport } from '../api/generated';

export const doctorCalls = {
  look: () => call<DoctorReport>('GET', '/api/v1/doctor'),
  mend: (word: string) => call<DoctorMended>('POST', '/api/v1/doctor/mend', { word }),
};
