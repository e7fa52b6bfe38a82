-- Writes to workspaces under way, and word to a session's executor.

ALTER TABLE session
  ADD COLUMN IF NOT EXISTS pull_pending BOOL NOT NULL DEFAULT 0 COMMENT 'files changed while creating: maybe after the executor read them',
  ADD COLUMN IF NOT EXISTS workspace_counted_at DATETIME(3) NULL COMMENT 'workspace_bytes was the exact sum then';

-- One writer at a time for each file, so that conditions hold and sums are true. A row whose lease has run out is nobody's.
CREATE TABLE IF NOT EXISTS workspace_write (
  id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  session_id  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  path_hash   BINARY(32) NOT NULL COMMENT 'SHA-256 of the path',
  bytes       BIGINT NOT NULL DEFAULT 0 COMMENT 'what its end takes off session.workspace_bytes at most',
  lease_owner VARCHAR(80) NOT NULL,
  lease_until DATETIME(3) NOT NULL,
  UNIQUE KEY file (session_id, path_hash)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
