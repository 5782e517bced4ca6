-- What the repositories of sessions send to PostgreSQL. Written by: UPDATE_STATEMENTS=1 npx jest -c test/jest.config.mjs test/unit/statements.test.ts

-- SessionsRepository.listActive
SELECT s.id AS "id",
  s.user_id AS "userId",
  s.delivery AS "delivery",
  s.generation AS "generation",
  s.used_generation AS "usedGeneration",
  s.device_name AS "deviceName",
  s.user_agent AS "userAgent",
  s.ip AS "ip",
  s.created_at AS "createdAt",
  s.authenticated_at AS "authenticatedAt",
  s.last_seen_at AS "lastSeenAt",
  s.idle_expires_at AS "idleExpiresAt",
  s.expires_at AS "expiresAt",
  s.refresh_token_hash AS "refreshTokenHash",
  s.rotated_at AS "rotatedAt",
  s.revoked_at AS "revokedAt",
  s.revoked_reason AS "revokedReason",
  s.revoked_by AS "revokedBy" FROM sessions s
WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now() AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id)))) AND s.id <> $2 AND (s.created_at, s.id) < ($3::timestamptz, $4::uuid)
ORDER BY s.created_at DESC, s.id DESC
LIMIT $5;

-- SessionsRepository.listEnded
SELECT * FROM (
  SELECT s.id AS "id",
  s.user_id AS "userId",
  s.delivery AS "delivery",
  s.generation AS "generation",
  s.used_generation AS "usedGeneration",
  s.device_name AS "deviceName",
  s.user_agent AS "userAgent",
  s.ip AS "ip",
  s.created_at AS "createdAt",
  s.authenticated_at AS "authenticatedAt",
  s.last_seen_at AS "lastSeenAt",
  s.idle_expires_at AS "idleExpiresAt",
  s.expires_at AS "expiresAt",
  s.refresh_token_hash AS "refreshTokenHash",
  s.rotated_at AS "rotatedAt",
  s.revoked_at AS "revokedAt",
  s.revoked_reason AS "revokedReason",
  s.revoked_by AS "revokedBy",
    coalesce(s.revoked_at, least(s.idle_expires_at, s.expires_at)) AS "endedAt"
  FROM sessions s WHERE s.user_id = $1
) ended
WHERE "endedAt" <= now() AND "endedAt" > now() - interval '90 days' AND ("endedAt", id) < ($2::timestamptz, $3::uuid)
ORDER BY "endedAt" DESC, id DESC
LIMIT $4;

-- SessionsRepository.listIds
SELECT id FROM sessions WHERE user_id = $1 ORDER BY created_at, id;

-- SessionsRepository.isActiveWithin
SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE;

-- SessionsRepository.isActiveWithin
SELECT FROM sessions s WHERE s.id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now() AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id))));

-- SessionsRepository.rename
WITH renamed AS (
  UPDATE sessions s SET device_name = $1
  WHERE s.id = $2 AND s.user_id = $3 AND s.revoked_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now() AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id))))
  RETURNING s.id AS "id",
  s.user_id AS "userId",
  s.delivery AS "delivery",
  s.generation AS "generation",
  s.used_generation AS "usedGeneration",
  s.device_name AS "deviceName",
  s.user_agent AS "userAgent",
  s.ip AS "ip",
  s.created_at AS "createdAt",
  s.authenticated_at AS "authenticatedAt",
  s.last_seen_at AS "lastSeenAt",
  s.idle_expires_at AS "idleExpiresAt",
  s.expires_at AS "expiresAt",
  s.refresh_token_hash AS "refreshTokenHash",
  s.rotated_at AS "rotatedAt",
  s.revoked_at AS "revokedAt",
  s.revoked_reason AS "revokedReason",
  s.revoked_by AS "revokedBy"
), recorded AS (
  INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, ip, user_agent, request_id)
  SELECT 'session_renamed', 'success', "userId", id, "userId", $4, $5, $6 FROM renamed
  RETURNING id, at, type, user_id, session_id, reason
)
SELECT renamed.*, (
  SELECT coalesce(json_agg(json_build_object(
  'eventId', e.id, 'type', e.type, 'userId', e.user_id, 'sessionId', e.session_id, 'reason', e.reason,
  'at', floor(extract(epoch FROM e.at) * 1000))), '[]')
  FROM (SELECT * FROM recorded) e WHERE e.type IN ('session_created', 'session_renamed', 'session_revoked') AND EXISTS (
    SELECT FROM stream_watches w WHERE w.user_id = e.user_id AND w.until > now())
) AS events FROM renamed;

-- SessionOpeningRepository.open
SELECT id FROM users WHERE id = $1 AND password_hash = $2
  AND disabled_at IS NULL FOR NO KEY UPDATE;

-- SessionOpeningRepository.open
WITH
  held AS (
    SELECT s.id, s.idle_expires_at, s.expires_at FROM sessions s
    WHERE s.id IN (
SELECT s.id FROM sessions s WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now() AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id))))
ORDER BY s.last_seen_at DESC, s.created_at DESC, s.id DESC OFFSET $2::integer - 1) AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id)))) AND s.revoked_at IS NULL AND s.idle_expires_at > now() - interval '1 minute'
AND s.expires_at > now()
    ORDER BY s.id FOR UPDATE OF s
  ), revoked AS (
    UPDATE sessions s SET revoked_at = now(), revoked_reason = $3, revoked_by = NULL::uuid
    WHERE s.id = ANY(ARRAY(
SELECT held.id FROM held WHERE held.idle_expires_at > now() AND held.expires_at > now()
    ))
    RETURNING s.id, s.user_id, s.revoked_by
  ), recorded AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, ip, user_agent, request_id)
    SELECT 'session_revoked', 'success', user_id, id, revoked_by, $4, $5, $6, $7 FROM revoked
    RETURNING id, at, type, user_id, session_id, reason
  ), opened AS (
  INSERT INTO sessions
    (id, user_id, refresh_token_hash, delivery, device_name, ip, user_agent, created_at, last_seen_at, expires_at,
      idle_expires_at)
  SELECT $8::uuid, $9::uuid, $10::bytea, $11, $12, $13,
    $14, c.now, c.now, c.now + make_interval(secs => $15::double precision),
    c.now + make_interval(secs => $16::double precision)
  FROM (SELECT clock_timestamp() AS now OFFSET 0) c
  RETURNING *
), announced AS (
  INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, ip, user_agent, request_id)
  SELECT type, 'success', user_id, id, user_id, $17, $18, $19
  FROM opened, unnest(ARRAY['login_succeeded', 'session_created']) AS type
  RETURNING id, at, type, user_id, session_id, reason
), known AS (
  SELECT EXISTS (
    SELECT FROM known_devices WHERE user_id = $20 AND fingerprint = $21
      AND last_seen_at > now() - make_interval(days => $22::integer)
  ) AS is_known, EXISTS (SELECT FROM sessions WHERE user_id = $23) AS has_others
), noted AS (
  INSERT INTO known_devices (user_id, fingerprint) SELECT user_id, $24 FROM opened
  ON CONFLICT (user_id, fingerprint) DO UPDATE SET last_seen_at = now()
), spoken AS (
  UPDATE users u SET language = $25::text FROM opened o, known
  WHERE u.id = o.user_id AND $26::text <> coalesce(u.language, '')
    AND (is_known OR u.language IS NULL) AND NOT (NOT is_known AND (has_others OR u.created_at < now() - interval '1 day'))
), mailed AS (
  INSERT INTO mails (kind, recipient, user_id, session_id, details, language, is_confirmed)
  SELECT 'new_device', u.email, u.id, o.id, $27::jsonb, u.language,
    u.email_verified_at IS NOT NULL
  FROM opened o JOIN users u ON u.id = o.user_id, known WHERE (NOT is_known AND (has_others OR u.created_at < now() - interval '1 day'))
)
SELECT s.id AS "id",
  s.user_id AS "userId",
  s.delivery AS "delivery",
  s.generation AS "generation",
  s.used_generation AS "usedGeneration",
  s.device_name AS "deviceName",
  s.user_agent AS "userAgent",
  s.ip AS "ip",
  s.created_at AS "createdAt",
  s.authenticated_at AS "authenticatedAt",
  s.last_seen_at AS "lastSeenAt",
  s.idle_expires_at AS "idleExpiresAt",
  s.expires_at AS "expiresAt",
  u.email AS "email",
  u.name AS "name",
  u.role AS "role",
  u.email_verified_at AS "emailVerifiedAt",
  u.created_at AS "userCreatedAt",
  now() AS "readAt",
  coalesce((SELECT string_agg(id, ' ') FROM signing_keys WHERE algorithm = 'ES256' AND (accepted_until IS NULL OR accepted_until > statement_timestamp())), '') AS "keyIds",
  s.refresh_token_hash AS "refreshTokenHash",
  s.rotated_at AS "rotatedAt",
  s.revoked_at AS "revokedAt",
  s.revoked_reason AS "revokedReason",
  s.revoked_by AS "revokedBy",
  u.password_hash AS "passwordHash",
  u.disabled_at AS "disabledAt", (SELECT count(*) FROM revoked)::integer AS "surplusCount",
  (
  SELECT coalesce(json_agg(json_build_object(
  'eventId', e.id, 'type', e.type, 'userId', e.user_id, 'sessionId', e.session_id, 'reason', e.reason,
  'at', floor(extract(epoch FROM e.at) * 1000))), '[]')
  FROM (SELECT * FROM recorded UNION ALL SELECT * FROM announced) e WHERE e.type IN ('session_created', 'session_renamed', 'session_revoked') AND EXISTS (
    SELECT FROM stream_watches w WHERE w.user_id = e.user_id AND w.until > now())
) AS events
FROM opened s JOIN users u ON u.id = s.user_id;

-- LogoutRepository.revoke, prepared as revoke_session_by
WITH
  held AS (
    SELECT s.id, s.idle_expires_at, s.expires_at FROM sessions s
    WHERE s.id = $1 AND s.user_id = $2 AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id)))) AND s.revoked_at IS NULL AND s.idle_expires_at > now() - interval '1 minute'
AND s.expires_at > now()
    ORDER BY s.id FOR UPDATE OF s
  ), revoked AS (
    UPDATE sessions s SET revoked_at = now(), revoked_reason = $3, revoked_by = coalesce($4::uuid, s.user_id)
    WHERE s.id = ANY(ARRAY(
SELECT held.id FROM held WHERE held.idle_expires_at > now() AND held.expires_at > now()
    ))
    RETURNING s.id, s.user_id, s.revoked_by
  ), recorded AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, ip, user_agent, request_id)
    SELECT 'session_revoked', 'success', user_id, id, revoked_by, $5, $6, $7, $8 FROM revoked
    RETURNING id, at, type, user_id, session_id, reason
  ) SELECT (SELECT count(*) FROM revoked)::integer AS count, (
  SELECT coalesce(json_agg(json_build_object(
  'eventId', e.id, 'type', e.type, 'userId', e.user_id, 'sessionId', e.session_id, 'reason', e.reason,
  'at', floor(extract(epoch FROM e.at) * 1000))), '[]')
  FROM (SELECT * FROM recorded) e WHERE e.type IN ('session_created', 'session_renamed', 'session_revoked') AND EXISTS (
    SELECT FROM stream_watches w WHERE w.user_id = e.user_id AND w.until > now())
) AS events;

-- LogoutRepository.revokeAllOf, prepared as revoke_sessions_of_user
WITH
  held AS (
    SELECT s.id, s.idle_expires_at, s.expires_at FROM sessions s
    WHERE s.user_id = $1 AND s.id IS DISTINCT FROM $2::uuid AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id)))) AND s.revoked_at IS NULL AND s.idle_expires_at > now() - interval '1 minute'
AND s.expires_at > now()
    ORDER BY s.id FOR UPDATE OF s
  ), revoked AS (
    UPDATE sessions s SET revoked_at = now(), revoked_reason = $3, revoked_by = s.user_id
    WHERE s.id = ANY(ARRAY(
SELECT held.id FROM held WHERE held.idle_expires_at > now() AND held.expires_at > now()
    ))
    RETURNING s.id, s.user_id, s.revoked_by
  ), recorded AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, ip, user_agent, request_id)
    SELECT 'session_revoked', 'success', user_id, id, revoked_by, $4, $5, $6, $7 FROM revoked
    RETURNING id, at, type, user_id, session_id, reason
  ) SELECT (SELECT count(*) FROM revoked)::integer AS count, (
  SELECT coalesce(json_agg(json_build_object(
  'eventId', e.id, 'type', e.type, 'userId', e.user_id, 'sessionId', e.session_id, 'reason', e.reason,
  'at', floor(extract(epoch FROM e.at) * 1000))), '[]')
  FROM (SELECT * FROM recorded) e WHERE e.type IN ('session_created', 'session_renamed', 'session_revoked') AND EXISTS (
    SELECT FROM stream_watches w WHERE w.user_id = e.user_id AND w.until > now())
) AS events;

-- LogoutRepository.revokePresented, prepared as revoke_session_of_token
WITH
  held AS (
    SELECT s.id, s.idle_expires_at, s.expires_at FROM sessions s
    WHERE s.id = $1 AND s.delivery = ANY($2::text[]) AND (
(s.generation = $3 AND s.refresh_token_hash = $4)
OR (s.generation = $5 + 1 AND s.refresh_token_hash = ANY($6::bytea[])
  AND (
    $7::double precision > 0 AND (
s.rotated_at > now() - make_interval(secs => $8::double precision)
OR s.used_generation < s.generation
    )))
    ) AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id)))) AND s.revoked_at IS NULL AND s.idle_expires_at > now() - interval '1 minute'
AND s.expires_at > now()
    ORDER BY s.id FOR UPDATE OF s
  ), revoked AS (
    UPDATE sessions s SET revoked_at = now(), revoked_reason = $9, revoked_by = coalesce($10::uuid, s.user_id)
    WHERE s.id = ANY(ARRAY(
SELECT held.id FROM held WHERE held.idle_expires_at > now() AND held.expires_at > now()
    ))
    RETURNING s.id, s.user_id, s.revoked_by
  ), recorded AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, ip, user_agent, request_id)
    SELECT 'session_revoked', 'success', user_id, id, revoked_by, $11, $12, $13, $14 FROM revoked
    RETURNING id, at, type, user_id, session_id, reason
  ) SELECT (SELECT count(*) FROM revoked)::integer AS count, (
  SELECT coalesce(json_agg(json_build_object(
  'eventId', e.id, 'type', e.type, 'userId', e.user_id, 'sessionId', e.session_id, 'reason', e.reason,
  'at', floor(extract(epoch FROM e.at) * 1000))), '[]')
  FROM (SELECT * FROM recorded) e WHERE e.type IN ('session_created', 'session_renamed', 'session_revoked') AND EXISTS (
    SELECT FROM stream_watches w WHERE w.user_id = e.user_id AND w.until > now())
) AS events;

-- LogoutRepository.revokeAllOfPresented, prepared as revoke_all_of_presented
WITH caller AS MATERIALIZED (
    SELECT s.user_id FROM sessions s WHERE s.id = $1 AND s.delivery = ANY($2::text[]) AND (
(s.generation = $3 AND s.refresh_token_hash = $4)
OR (s.generation = $5 + 1 AND s.refresh_token_hash = ANY($6::bytea[])
  AND (
    $7::double precision > 0 AND (
s.rotated_at > now() - make_interval(secs => $8::double precision)
OR s.used_generation < s.generation
    )))
    ) AND s.revoked_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now() AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id))))
  ),
  held AS (
    SELECT s.id, s.idle_expires_at, s.expires_at FROM sessions s
    WHERE s.user_id = (SELECT user_id FROM caller) AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id)))) AND s.revoked_at IS NULL AND s.idle_expires_at > now() - interval '1 minute'
AND s.expires_at > now()
    ORDER BY s.id FOR UPDATE OF s
  ), revoked AS (
    UPDATE sessions s SET revoked_at = now(), revoked_reason = $9, revoked_by = s.user_id
    WHERE s.id = ANY(ARRAY(
SELECT held.id FROM held WHERE held.idle_expires_at > now() AND held.expires_at > now()
    ))
    RETURNING s.id, s.user_id, s.revoked_by
  ), recorded AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, ip, user_agent, request_id)
    SELECT 'session_revoked', 'success', user_id, id, revoked_by, $10, $11, $12, $13 FROM revoked
    RETURNING id, at, type, user_id, session_id, reason
  ) SELECT (SELECT count(*) FROM revoked)::integer AS count, (
  SELECT coalesce(json_agg(json_build_object(
  'eventId', e.id, 'type', e.type, 'userId', e.user_id, 'sessionId', e.session_id, 'reason', e.reason,
  'at', floor(extract(epoch FROM e.at) * 1000))), '[]')
  FROM (SELECT * FROM recorded) e WHERE e.type IN ('session_created', 'session_renamed', 'session_revoked') AND EXISTS (
    SELECT FROM stream_watches w WHERE w.user_id = e.user_id AND w.until > now())
) AS events;

-- Revocations.revokeOne
WITH
  held AS (
    SELECT s.id, s.idle_expires_at, s.expires_at FROM sessions s
    WHERE s.id = $1 AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id)))) AND s.revoked_at IS NULL AND s.idle_expires_at > now() - interval '1 minute'
AND s.expires_at > now()
    ORDER BY s.id FOR UPDATE OF s
  ), revoked AS (
    UPDATE sessions s SET revoked_at = now(), revoked_reason = $2, revoked_by = $3::uuid
    WHERE s.id = ANY(ARRAY(
SELECT held.id FROM held WHERE held.idle_expires_at > now() AND held.expires_at > now()
    ))
    RETURNING s.id, s.user_id, s.revoked_by
  ), recorded AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, ip, user_agent, request_id)
    SELECT 'session_revoked', 'success', user_id, id, revoked_by, $4, $5, $6, $7 FROM revoked
    RETURNING id, at, type, user_id, session_id, reason
  )
SELECT u.id, u.email, (
  SELECT coalesce(json_agg(json_build_object(
  'eventId', e.id, 'type', e.type, 'userId', e.user_id, 'sessionId', e.session_id, 'reason', e.reason,
  'at', floor(extract(epoch FROM e.at) * 1000))), '[]')
  FROM (SELECT * FROM recorded) e WHERE e.type IN ('session_created', 'session_renamed', 'session_revoked') AND EXISTS (
    SELECT FROM stream_watches w WHERE w.user_id = e.user_id AND w.until > now())
) AS events FROM revoked r JOIN users u ON u.id = r.user_id;

-- Revocations.revokeAll
WITH
  held AS (
    SELECT s.id, s.idle_expires_at, s.expires_at FROM sessions s
    WHERE s.user_id = $1 AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id)))) AND s.revoked_at IS NULL AND s.idle_expires_at > now() - interval '1 minute'
AND s.expires_at > now()
    ORDER BY s.id FOR UPDATE OF s
  ), revoked AS (
    UPDATE sessions s SET revoked_at = now(), revoked_reason = $2, revoked_by = $3::uuid
    WHERE s.id = ANY(ARRAY(
SELECT held.id FROM held WHERE held.idle_expires_at > now() AND held.expires_at > now()
    ))
    RETURNING s.id, s.user_id, s.revoked_by
  ), recorded AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, ip, user_agent, request_id)
    SELECT 'session_revoked', 'success', user_id, id, revoked_by, $4, $5, $6, $7 FROM revoked
    RETURNING id, at, type, user_id, session_id, reason
  )
SELECT ARRAY(SELECT id::text FROM revoked) AS ids, (
  SELECT coalesce(json_agg(json_build_object(
  'eventId', e.id, 'type', e.type, 'userId', e.user_id, 'sessionId', e.session_id, 'reason', e.reason,
  'at', floor(extract(epoch FROM e.at) * 1000))), '[]')
  FROM (SELECT * FROM recorded) e WHERE e.type IN ('session_created', 'session_renamed', 'session_revoked') AND EXISTS (
    SELECT FROM stream_watches w WHERE w.user_id = e.user_id AND w.until > now())
) AS events;

-- KnownDevices.forget
DELETE FROM known_devices WHERE user_id = $1;

-- RefreshRepository.rotate, prepared as session_rotation
WITH before AS (
    SELECT rotated_at FROM sessions WHERE id = $1
  ), rotated AS (
    UPDATE sessions s SET
      generation = s.generation + 1, refresh_token_hash = $2, rotated_at = now(),
      last_seen_at = now(),
      idle_expires_at =
        least(now() + make_interval(secs => $3::double precision), s.expires_at),
      rotation_count = CASE WHEN s.rotation_window_at > now() - interval '1 minute' THEN s.rotation_count + 1 ELSE 1 END,
      rotation_window_at = CASE WHEN s.rotation_window_at > now() - interval '1 minute' THEN s.rotation_window_at ELSE now() END
    FROM users u
    WHERE s.id = $4 AND s.delivery = $5 AND s.generation = $6
      AND s.refresh_token_hash = $7 AND s.revoked_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now() AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id))))
      AND (s.rotation_count < $8
        OR NOT coalesce(s.rotation_window_at > now() - interval '1 minute', false))
      AND u.id = s.user_id AND u.disabled_at IS NULL
    RETURNING s.id AS "id",
  s.user_id AS "userId",
  s.delivery AS "delivery",
  s.generation AS "generation",
  s.used_generation AS "usedGeneration",
  s.device_name AS "deviceName",
  s.user_agent AS "userAgent",
  s.ip AS "ip",
  s.created_at AS "createdAt",
  s.authenticated_at AS "authenticatedAt",
  s.last_seen_at AS "lastSeenAt",
  s.idle_expires_at AS "idleExpiresAt",
  s.expires_at AS "expiresAt",
  u.email AS "email",
  u.name AS "name",
  u.role AS "role",
  u.email_verified_at AS "emailVerifiedAt",
  u.created_at AS "userCreatedAt",
  now() AS "readAt",
  coalesce((SELECT string_agg(id, ' ') FROM signing_keys WHERE algorithm = 'ES256' AND (accepted_until IS NULL OR accepted_until > statement_timestamp())), '') AS "keyIds", s.rotated_at AS "rotatedAt"
  ), recorded AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, ip, user_agent, request_id)
    SELECT 'session_refreshed', 'success', "userId", id, "userId", $9, $10, $11 FROM rotated
    WHERE NOT EXISTS (SELECT FROM before WHERE (rotated_at AT TIME ZONE 'UTC')::date = (now() AT TIME ZONE 'UTC')::date)
  )
  SELECT rotated.*, EXISTS (
    SELECT FROM stream_watches w WHERE w.user_id = rotated."userId" AND w.until > now()) AS "isWatched" FROM rotated;

-- RefreshRepository.findRotationDelay
WITH full_window AS (
  SELECT s.id, s.user_id, s.rotation_window_at FROM sessions s
  WHERE s.id = $1 AND s.rotation_count >= $2 AND s.rotation_window_at > now() - interval '1 minute'
), recorded AS (
  INSERT INTO audit_events (type, outcome, user_id, session_id, reason, ip, user_agent, request_id)
  SELECT 'refresh_throttled', 'failure', user_id, id, 'session', $3, $4, $5 FROM full_window f
  WHERE NOT EXISTS (
    SELECT FROM audit_events a
    WHERE a.session_id = f.id AND a.type = 'refresh_throttled' AND a.at >= f.rotation_window_at
  )
)
SELECT ceil(1000 * extract(epoch FROM rotation_window_at + interval '1 minute' - now()))::integer AS milliseconds
FROM full_window;

-- RefreshRepository.revokeReused, prepared as revoke_reused_session
WITH
  held AS (
    SELECT s.id, s.idle_expires_at, s.expires_at FROM sessions s
    WHERE s.id = $1 AND NOT ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id)))) AND s.revoked_at IS NULL AND s.idle_expires_at > now() - interval '1 minute'
AND s.expires_at > now()
    ORDER BY s.id FOR UPDATE OF s
  ), revoked AS (
    UPDATE sessions s SET revoked_at = now(), revoked_reason = $2, revoked_by = NULL::uuid
    WHERE s.id = ANY(ARRAY(
SELECT held.id FROM held WHERE held.idle_expires_at > now() AND held.expires_at > now()
    ))
    RETURNING s.id, s.user_id, s.revoked_by
  ), recorded AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, ip, user_agent, request_id)
    SELECT 'session_revoked', 'success', user_id, id, revoked_by, $3, $4, $5, $6 FROM revoked
    RETURNING id, at, type, user_id, session_id, reason
  ), reported AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, ip, user_agent, request_id)
    SELECT 'refresh_token_reused', 'failure', user_id, id, $7, $8, $9 FROM revoked
  ), mailed AS (
    INSERT INTO mails (kind, recipient, user_id, session_id, details, language, is_confirmed)
    SELECT 'refresh_token_reused', u.email, u.id, r.id, $10::jsonb, u.language, u.email_verified_at IS NOT NULL
    FROM revoked r JOIN users u ON u.id = r.user_id
  )
  SELECT (SELECT count(*) FROM revoked)::integer AS count, (
  SELECT coalesce(json_agg(json_build_object(
  'eventId', e.id, 'type', e.type, 'userId', e.user_id, 'sessionId', e.session_id, 'reason', e.reason,
  'at', floor(extract(epoch FROM e.at) * 1000))), '[]')
  FROM (SELECT * FROM recorded) e WHERE e.type IN ('session_created', 'session_renamed', 'session_revoked') AND EXISTS (
    SELECT FROM stream_watches w WHERE w.user_id = e.user_id AND w.until > now())
) AS events;

-- RefreshRepository.findState
SELECT s.id AS "id",
  s.user_id AS "userId",
  s.delivery AS "delivery",
  s.generation AS "generation",
  s.used_generation AS "usedGeneration",
  s.device_name AS "deviceName",
  s.user_agent AS "userAgent",
  s.ip AS "ip",
  s.created_at AS "createdAt",
  s.authenticated_at AS "authenticatedAt",
  s.last_seen_at AS "lastSeenAt",
  s.idle_expires_at AS "idleExpiresAt",
  s.expires_at AS "expiresAt",
  u.email AS "email",
  u.name AS "name",
  u.role AS "role",
  u.email_verified_at AS "emailVerifiedAt",
  u.created_at AS "userCreatedAt",
  now() AS "readAt",
  coalesce((SELECT string_agg(id, ' ') FROM signing_keys WHERE algorithm = 'ES256' AND (accepted_until IS NULL OR accepted_until > statement_timestamp())), '') AS "keyIds",
  s.refresh_token_hash AS "refreshTokenHash",
  s.rotated_at AS "rotatedAt",
  s.revoked_at AS "revokedAt",
  s.revoked_reason AS "revokedReason",
  s.revoked_by AS "revokedBy",
  u.password_hash AS "passwordHash",
  u.disabled_at AS "disabledAt",
  (s.revoked_at IS NOT NULL OR u.disabled_at IS NOT NULL OR ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id))))) AS "isRevoked",
  (s.revoked_reason = 'logout' AND s.revoked_at > now() - interval '10 seconds') IS TRUE AS "isJustLoggedOut",
  (s.idle_expires_at <= now() OR s.expires_at <= now()) AS "isExpired",
  (
    $1::double precision > 0 AND (
s.rotated_at > now() - make_interval(secs => $2::double precision)
OR s.used_generation < s.generation
    )) AS "honoursPredecessor"
FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $3;

-- ChecksRepository.findStates, prepared as session_states
SELECT s.id AS "id",
  s.user_id AS "userId",
  s.delivery AS "delivery",
  s.generation AS "generation",
  s.used_generation AS "usedGeneration",
  s.device_name AS "deviceName",
  s.user_agent AS "userAgent",
  s.ip AS "ip",
  s.created_at AS "createdAt",
  s.authenticated_at AS "authenticatedAt",
  s.last_seen_at AS "lastSeenAt",
  s.idle_expires_at AS "idleExpiresAt",
  s.expires_at AS "expiresAt",
  u.email AS "email",
  u.name AS "name",
  u.role AS "role",
  u.email_verified_at AS "emailVerifiedAt",
  u.created_at AS "userCreatedAt",
  now() AS "readAt",
  coalesce((SELECT string_agg(id, ' ') FROM signing_keys WHERE algorithm = 'ES256' AND (accepted_until IS NULL OR accepted_until > statement_timestamp())), '') AS "keyIds",
  (s.revoked_at IS NOT NULL OR u.disabled_at IS NOT NULL OR ((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND s.created_at <= i.at
AND (i.created_before IS NULL OR s.created_at < i.created_before)
AND (i.created_after IS NULL OR s.created_at >= i.created_after)
AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
AND (i.network IS NULL OR is_in_network(s.ip, i.network))
AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id))))) AS "isRevoked",
  (s.revoked_reason = 'logout' AND s.revoked_at > now() - interval '10 seconds') IS TRUE AS "isJustLoggedOut",
  (s.idle_expires_at <= now() OR s.expires_at <= now()) AS "isExpired",
    s.last_seen_at < now() - make_interval(secs => $1::double precision) AS "isSeenLongAgo"
  FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ANY($2::uuid[]);

-- ChecksRepository.recordSeen
WITH seen AS (
  SELECT * FROM unnest($1::uuid[], $2::integer[]) AS seen (id, generation)
), alone AS MATERIALIZED (
  SELECT set_config('synchronous_commit', 'local', true)
), held AS (
  SELECT s.id, seen.generation FROM sessions s JOIN seen ON seen.id = s.id
  ORDER BY s.id FOR UPDATE OF s SKIP LOCKED
)
UPDATE sessions s SET
  last_seen_at = now(),
  used_generation = greatest(s.used_generation, least(held.generation, s.generation))
FROM held, alone WHERE s.id = held.id
RETURNING s.id;

-- ChecksRepository.recordEndedSessionUses
INSERT INTO audit_events (type, outcome, user_id, session_id, ip, user_agent, request_id)
SELECT 'ended_session_used', 'failure', u.user_id, u.session_id, u.ip, u.user_agent, u.request_id
FROM unnest(
  $1::uuid[],
  $2::uuid[],
  $3::text[],
  $4::text[],
  $5::text[]
) AS u (session_id, user_id, ip, user_agent, request_id)
WHERE NOT EXISTS (
  SELECT FROM audit_events a
  WHERE a.session_id = u.session_id AND a.type = 'ended_session_used' AND a.at > now() - interval '1 hour'
);
