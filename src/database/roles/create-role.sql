-- Makes the role that serves, or gives it another password. As a role that may do that:
--
--   psql … -v ON_ERROR_STOP=1 -v role=latchkey_runtime -v password=… -f create-role.sql
SELECT format('CREATE ROLE %I', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role')
\gexec
ALTER ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
