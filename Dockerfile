# syntax=docker/dockerfile:1

FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json tsconfig.build.json prisma.config.ts ./
COPY prisma prisma
COPY examples/bank/schema.prisma examples/bank/
COPY src src
COPY web web
# `prepare` generates the database client, compiles, and builds the web UI into dist/web.
RUN npm ci && npm prune --omit=dev --ignore-scripts

FROM node:20-bookworm-slim
ENV NODE_ENV=production \
    EVENTREE_HOST=0.0.0.0 \
    EVENTREE_DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/prisma prisma
# Without DATABASE_URL the database lives here: give it a volume.
RUN mkdir /data && chown node:node /data
VOLUME /data
USER node
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.EVENTREE_PORT ?? 4000) + '/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Room for young objects: a recorded event lives for a few milliseconds.
CMD ["node", "--max-semi-space-size=64", "dist/cli.js", "serve"]
