import { Controller, Get, Header, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../http/public.decorator.js';
import { Brand } from './brand.js';
import { send } from './static-file.js';

// An SVG that is opened by its own address is a document: it may be styled, and runs nothing.
const LOGO_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";

/** The colours and the logo, for the page and for the pages of mailed links. */
@ApiExcludeController()
@Public()
@Controller('page')
export class BrandController {
  constructor(private readonly brand: Brand) {}

  @Get('brand.css')
  style(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Buffer | string {
    return send(this.brand.style, request, reply);
  }

  @Get('logo')
  @Header('Content-Security-Policy', LOGO_CSP)
  logo(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Buffer | string {
    return send(this.brand.logo, request, reply);
  }
}
