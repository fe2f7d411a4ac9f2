CREATE TABLE "Account" (
  id          integer        PRIMARY KEY,
  owner       text           NOT NULL,
  balance     numeric(12, 2) NOT NULL,
  version     integer        NOT NULL DEFAULT 0,
  "updatedAt" timestamp(3)   NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO "Account" (id, owner, balance) SELECT n, 'jane', 100 FROM generate_series(1, 1000) n;
