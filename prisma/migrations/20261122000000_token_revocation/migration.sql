-- Tokens that are no longer accepted, though they have not expired: those of a subject that were issued before a
-- moment. Each came in force with a version of the registry, which every read and every append is judged by.

CREATE TABLE token_revocation (
  subject          text           PRIMARY KEY,
  issued_before    timestamptz(3) NOT NULL,
  registry_version integer        NOT NULL
);
CREATE INDEX token_revocation_registry_version_idx ON token_revocation (registry_version);
