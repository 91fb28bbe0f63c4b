import { type ConnectOptions, QmpClient } from './client.ts';

/** Connects, runs `fn`, and closes the connection however that ends. */
export async function withQmp<T>(
  path: string,
  fn: (qmp: QmpClient) => T | Promise<T>,
  options: ConnectOptions = {},
): Promise<T> {
  const qmp = await QmpClient.connect(path, options);
  try {
    return await fn(qmp);
  } finally {
    qmp.close();
  }
}
