CREATE TABLE "AuditEvent" (
  id           uuid         PRIMARY KEY,
  type         text         NOT NULL,
  resource     text,
  actor        text,
  message      text         NOT NULL,
  severity     text         NOT NULL,
  "occurredAt" timestamp(3) NOT NULL,
  "recordedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  payload      jsonb
);
CREATE INDEX ON "AuditEvent" (type);
CREATE INDEX ON "AuditEvent" (resource);
CREATE INDEX ON "AuditEvent" ("occurredAt");
CREATE TABLE "AuditAttribute" (
  id        bigserial PRIMARY KEY,
  "eventId" uuid      NOT NULL REFERENCES "AuditEvent" (id),
  name      text      NOT NULL,
  value     text      NOT NULL
);
CREATE INDEX ON "AuditAttribute" ("eventId");
CREATE INDEX ON "AuditAttribute" (name, value);
