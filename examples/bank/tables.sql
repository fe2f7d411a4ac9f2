-- As `prisma migrate` would make them of schema.prisma.
CREATE TABLE IF NOT EXISTS "Customer" (
  name text PRIMARY KEY,
  pin  text NOT NULL
);
CREATE TABLE IF NOT EXISTS "Account" (
  id      uuid    PRIMARY KEY,
  owner   text    NOT NULL,
  balance integer NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS "Transfer" (
  id    uuid           PRIMARY KEY,
  "from" uuid          NOT NULL,
  "to"   uuid          NOT NULL,
  cents integer        NOT NULL,
  at    timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
