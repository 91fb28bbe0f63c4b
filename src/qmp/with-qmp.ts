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

/** As withQmp, but connects only when `fn` asks for it, once: what needs no QEMU is done whether or not it answers. */
export async function withQmpAtNeed<T>(
  path: string,
  fn: (connect: () => Promise<QmpClient>) => Promise<T>,
  options: ConnectOptions = {},
): Promise<T> {
  let connection: Promise<QmpClient> | undefined;
  const connect = (): Promise<QmpClient> => {
    connection ??= QmpClient.connect(path, options);
    return connection;
  };
  try {
    return await fn(connect);
  } finally {
    await connection?.then(
      (qmp) => qmp.close(),
      () => undefined,
    );
  }
}
