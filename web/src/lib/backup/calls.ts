/** What is asked of the gateway about backups. */

import { ApiError, call, NO_ANSWER } from '../api/client';
import type { BackupState, RestoreState } from '../api/generated';

export const BACKUP_FILE_PATH = '/api/v1/backup/file';
const RESTORE_PATH = '/api/v1/restore';
const UPLOAD_PATH = '/api/v1/restore/file';

/** Who has no account yet shows the set-up code instead. */
const credential = (code: string | null): Record<string, string> =>
  code === null ? {} : { 'gatehouse-setup-code': code };

export const backupCalls = {
  state: () => call<BackupState>('GET', '/api/v1/backup'),
  begin: (passphrase: string) => call<BackupState>('POST', '/api/v1/backup', { passphrase }),
  restoring: (code: string | null) => call<RestoreState>('GET', RESTORE_PATH, undefined, credential(code)),
  restore: (passphrase: string, code: string | null) =>
    call<RestoreState>('POST', RESTORE_PATH, passphrase === '' ? {} : { passphrase }, credential(code)),
  /** Brings a file; `onprogress` hears the share that is done. */
  bring: (file: File, code: string | null, onprogress: (share: number) => void) =>
    new Promise<void>((fulfil, reject) => {
      // The one way to see how much of a body was sent.
      const request = new XMLHttpRequest();
      request.open('PUT', UPLOAD_PATH);
      request.responseType = 'json';
      request.setRequestHeader('content-type', 'application/octet-stream');
      for (const [name, value] of Object.entries(credential(code))) request.setRequestHeader(name, value);
      request.upload.onprogress = ({ loaded, total }) => onprogress(total > 0 ? loaded / total : 0);
      request.onload = () => {
        if (request.status === 200) return fulfil();
        const answer = request.response as { error?: { code?: string; message?: string } } | null;
        const { code: word = 'unknown', message = `The gateway answered ${request.status}.` } =
          answer?.error ?? {};
        reject(new ApiError(request.status, word, message));
      };
      request.onerror = () => reject(new ApiError(0, NO_ANSWER, 'The gateway does not answer.'));
      request.send(file);
    }),
};
